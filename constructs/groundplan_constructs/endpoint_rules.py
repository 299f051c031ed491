"""A validation plug-in that stops synthesis of endpoints that AWS would refuse at deployment."""

import json
from pathlib import Path

import aws_cdk as cdk
import jsii

from groundplan.serving import RULES, Violation, violations


@jsii.implements(cdk.IPolicyValidationPlugin)
class EndpointRules:
    """Looks at every template, whether constructs of this library made it or not.

    >>> cdk.Validations.of(app).add_plugins(EndpointRules())
    """

    @property
    def name(self) -> str:
        """How the validation report calls it."""
        return "EndpointRules"

    @property
    def version(self) -> str:
        """Of the report's rules."""
        return "1.0.0"

    @property
    def rule_ids(self) -> list[str]:
        """What it looks for."""
        return [rule.name for rule in RULES]

    def validate(self, context: cdk.IPolicyValidationContext) -> cdk.PolicyValidationPluginReport:
        """Every template's resources against every rule."""
        found = [
            _violation(violation, path)
            for path in context.template_paths
            for violation in violations(json.loads(Path(path).read_text()).get("Resources", {}))
        ]
        return cdk.PolicyValidationPluginReport(success=not found, violations=found)


def _violation(violation: Violation, path: str) -> cdk.PolicyViolation:
    rule = violation.rule
    return cdk.PolicyViolation(
        rule_name=rule.name,
        description=f"{rule.says} {violation.reason}. Source: {rule.source}",
        fix=rule.remedy,
        severity="error",
        violating_resources=[
            cdk.PolicyViolatingResource(
                resource_logical_id=violation.logical_id, template_path=path, locations=["Properties"]
            )
        ],
    )
