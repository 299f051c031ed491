"""A finding of a check that stands, with the reason why, on one resource."""

import aws_cdk as cdk
from constructs import Construct


def acknowledge(resource: Construct, reason: str, *findings: str) -> None:
    """Let the findings stand on this resource alone; several packs may word the same finding."""
    for finding in findings:
        cdk.Validations.of(resource).acknowledge(cdk.Acknowledgment(id=finding, reason=reason))
