"""Service and resource control policies: what nobody in the organisation's accounts may do, whatever they are given.

Pure documents, from the environment's values. What each statement refuses is told in docs/governance.md.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

from groundplan.catalogue import Catalogue
from groundplan.governance.logs_and_keys import logs_and_keys
from groundplan.governance.models import approved_models, no_models_of_the_application
from groundplan.governance.perimeter import guarded_resources, own_resources, regions, stay
from groundplan.governance.public_access import no_public_access
from groundplan.governance.statements import Statement, role
from groundplan.job_limits import job_denials
from groundplan.names import Names
from groundplan.organization import Organization
from groundplan.refusal import BadInput, Finding

PolicyType = Literal["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
# Characters of a document, and policies attached to one target, of which AWS's own full access is one. For service
# control policies since May 2026: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
MOST_CHARACTERS: dict[PolicyType, int] = {"SERVICE_CONTROL_POLICY": 10240, "RESOURCE_CONTROL_POLICY": 5120}
MOST_ATTACHED: dict[PolicyType, int] = {"SERVICE_CONTROL_POLICY": 10, "RESOURCE_CONTROL_POLICY": 5}


@dataclass(frozen=True)
class OrganizationPolicy:
    """One policy of the organisation; `name` is a noun in PascalCase."""

    name: str
    type: PolicyType
    description: str
    statements: tuple[Statement, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The policy document."""
        return {"Version": "2012-10-17", "Statement": list(self.statements)}

    @property
    def content(self) -> str:
        """The document as short as JSON gets, as CloudFormation sends it: AWS counts every character."""
        return json.dumps(self.document, separators=(",", ":"))


def policies(
    names: Names, organization: Organization, catalogue: Catalogue | None = None
) -> tuple[OrganizationPolicy, ...]:
    """Every policy of the organisation; raises BadInput when AWS would not take one for its size.

    Without a catalogue every model counts as approved.
    """
    break_glass = role(organization.break_glass_role)
    deployment = role(f"cdk-{names.environment.qualifier}-cfn-exec-role-*")
    found = (
        _service(
            "Perimeter",
            "Only resources of this organisation, only its regions",
            [own_resources(organization), *regions(organization), stay()],
        ),
        _service(
            "PublicAccess",
            "Nothing is shown to the world",
            no_public_access(break_glass=break_glass, deployment=deployment),
        ),
        _service(
            "LogsAndKeys",
            "Logs stay on and keys stay",
            logs_and_keys(
                break_glass=break_glass,
                deployment=deployment,
                logging=role(f"{names.environment.conventions.iam_path.removeprefix('/')}{names.logging_role()}"),
            ),
        ),
        _service(
            "Jobs",
            "Jobs and notebooks inside the VPC, encrypted, no larger than allowed",
            job_denials(names.environment.limits),
        ),
        _service("Models", "Approved foundation models only, where they belong", _models(names, catalogue)),
        OrganizationPolicy(
            "Resources",
            "RESOURCE_CONTROL_POLICY",
            "Only identities of this organisation, over TLS, from expected networks",
            tuple(guarded_resources(names, organization)),
        ),
    )
    refuse_what_aws_would_not_take(names, found)
    return found


def refuse_what_aws_would_not_take(names: Names, found: tuple[OrganizationPolicy, ...]) -> None:
    """Raises BadInput for a document too long, or more documents than one target takes."""
    source = f"environments/{names.environment.name}.toml"
    findings = [
        Finding(
            source,
            "organization",
            f"the policy {policy.name} of {len(policy.content)} characters",
            f"AWS takes at most {MOST_CHARACTERS[policy.type]}; list fewer networks, regions, accounts or types",
        )
        for policy in found
        if len(policy.content) > MOST_CHARACTERS[policy.type]
    ]
    for kind, most in MOST_ATTACHED.items():
        count = sum(policy.type == kind for policy in found)
        if count > most - 1:
            findings.append(
                Finding(
                    source,
                    "organization",
                    f"{count} policies of type {kind}",
                    f"AWS attaches at most {most} to one target, its own full access among them",
                )
            )
    if findings:
        raise BadInput(findings)


def _service(name: str, description: str, statements: list[Statement]) -> OrganizationPolicy:
    return OrganizationPolicy(name, "SERVICE_CONTROL_POLICY", description, tuple(statements))


def _models(names: Names, catalogue: Catalogue | None) -> list[Statement]:
    approved = [approved_models(catalogue)] if catalogue else []
    return [*approved, no_models_of_the_application(names.environment.accounts.application)]
