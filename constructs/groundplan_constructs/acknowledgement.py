"""A finding of a check that stands, with the reason why, on one resource."""

import aws_cdk as cdk
from constructs import Construct


def acknowledge(resource: Construct, reason: str, *findings: str) -> None:
    """Let the findings stand on this resource alone; several packs may word the same finding.

    Those of checkov begin with `CKV`; it reads them in the template, with the reason.
    """
    for finding in findings:
        if finding.startswith("CKV"):
            _tell_checkov(resource, {"id": finding, "comment": reason})
        else:
            cdk.Validations.of(resource).acknowledge(cdk.Acknowledgment(id=finding, reason=reason))


def _tell_checkov(resource: Construct, skip: dict[str, str]) -> None:
    # Source: https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html
    made = resource if isinstance(resource, cdk.CfnResource) else resource.node.default_child
    if not isinstance(made, cdk.CfnResource):
        raise TypeError(f"{resource.node.path}: checkov reads resources of CloudFormation; this makes none by itself")
    present: dict[str, list[dict[str, str]]] = made.get_metadata("checkov") or {"skip": []}
    made.add_metadata("checkov", {"skip": [*present["skip"], skip]})
