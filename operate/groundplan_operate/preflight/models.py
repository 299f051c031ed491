"""Whether the ai account may use the foundation models that workloads name.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetFoundationModelAvailability.html
"""

from collections.abc import Iterator

from groundplan_operate.accounts import Accounts
from groundplan_operate.preflight.questions import Found, Question, Site

# How the ids of cross-region inference profiles begin; the model behind is the rest.
PROFILES = ("us.", "eu.", "apac.", "us-gov.", "jp.", "au.", "global.")


def models(site: Site) -> Iterator[Question]:
    """Each model once, whichever workloads name it."""
    named: dict[str, list[str]] = {}
    for workload in site.workloads:
        if foundation := workload.model.foundation:
            for model in foundation.models:
                named.setdefault(model.id, []).append(workload.name)
    for model, workloads in sorted(named.items()):
        yield Question(
            f"model: {model}",
            "ai",
            f"authorised, its agreement accepted, in the region; for {', '.join(workloads)}",
            "grant it in the Bedrock console under Model access, or take it out of the workload",
            lambda model=model: _look(site.accounts, model),
        )


def _look(accounts: Accounts, model: str) -> Found:
    behind = next((model.removeprefix(profile) for profile in PROFILES if model.startswith(profile)), model)
    said = accounts.client("bedrock", "ai").get_foundation_model_availability(modelId=behind)
    answers = {
        "authorisation": said["authorizationStatus"] == "AUTHORIZED",
        "entitlement": said["entitlementAvailability"] == "AVAILABLE",
        "agreement": said["agreementAvailability"]["status"] == "AVAILABLE",
        "region": said["regionAvailability"] == "AVAILABLE",
    }
    lacking = [name for name, there in answers.items() if not there]
    return Found("missing", f"not there: {', '.join(lacking)}") if lacking else Found("ok", "may be used")
