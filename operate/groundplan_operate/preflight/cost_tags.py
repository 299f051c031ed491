"""Whether AWS charges by the tags of this platform: only then do budgets and reports by tag show anything."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from groundplan_operate.accounts import Accounts
from groundplan_operate.preflight.questions import Found, Question, Site

TAGS = ("cost-centre", "environment", "owner", "workload")
NOT_THE_PAYER = ("AccessDeniedException", "ValidationException")


def cost_tags(site: Site) -> Iterator[Question]:
    """Asked in the tooling account, which can say only when it pays for itself."""
    yield Question(
        "cost allocation tags",
        "tooling",
        f"active: {', '.join(TAGS)}",
        "in the account that pays: aws ce update-cost-allocation-tags-status --cost-allocation-tags-status "
        + " ".join(f"TagKey={tag},Status=Active" for tag in TAGS)
        + "; a tag can be activated a day after its first use",
        lambda: _look(site.accounts),
    )


def _look(accounts: Accounts) -> Found:
    client = accounts.client("ce", "tooling")
    try:
        found = client.list_cost_allocation_tags(TagKeys=list(TAGS))["CostAllocationTags"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_THE_PAYER:
            raise
        return Found("unknown", "this account may not ask", "ask in the account that pays for the others")
    active = {tag["TagKey"] for tag in found if tag["Status"] == "Active"}
    missing = [tag for tag in TAGS if tag not in active]
    return Found("missing", f"not active: {', '.join(missing)}") if missing else Found("ok", "all active")
