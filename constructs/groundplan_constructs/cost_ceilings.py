"""A validation plug-in that stops synthesis of what costs more than it may, or costs nobody knows how much."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import aws_cdk as cdk
import jsii

from groundplan.estimate import Estimate, Line, Usage, estimate, read_stacks
from groundplan.estimate.ceiling import excess, uncertainties
from groundplan.prices import PriceBook, RegionFactor, check_age, read_prices, today
from groundplan.refusal import BadInput, Refused


@dataclass(frozen=True, kw_only=True)
class CostCeilingsProps:
    """US dollars a month, what is known of usage, and what else than fresh list prices may be counted with."""

    monthly_ceiling_usd: Decimal | int | None = None
    workload_ceilings_usd: Mapping[str, Decimal | int] = field(default_factory=dict[str, Decimal | int])
    require_known_prices: bool = False
    usage: Usage = field(default_factory=Usage)
    region_factor: RegionFactor | None = None
    accept_old_prices: str = ""

    def __post_init__(self) -> None:
        for ceiling in (self.monthly_ceiling_usd, *self.workload_ceilings_usd.values()):
            if ceiling is not None and not (Decimal(ceiling).is_finite() and ceiling > 0):
                raise ValueError(f"a ceiling must be above zero, got '{ceiling}'")


@jsii.implements(cdk.IPolicyValidationPlugin)
class CostCeilings:
    """Fails synthesis above a ceiling, and where prices are unknown although they must not be.

    >>> cdk.Validations.of(app).add_plugins(CostCeilings(CostCeilingsProps(monthly_ceiling_usd=500)))
    """

    def __init__(self, props: CostCeilingsProps) -> None:
        self._props = props

    @property
    def name(self) -> str:
        """How the validation report calls it."""
        return "CostCeilings"

    @property
    def version(self) -> str:
        """Of the report's rules."""
        return "1.0.0"

    @property
    def rule_ids(self) -> list[str]:
        """What it looks for."""
        return ["OverCeiling", "WorkloadOverCeiling", "UnknownPrice", "PricesTooOld", "OldPrices"]

    def validate(self, context: cdk.IPolicyValidationContext) -> cdk.PolicyValidationPluginReport:
        """Estimate the app's templates and compare."""
        props = self._props
        asked = props.monthly_ceiling_usd is not None or props.workload_ceilings_usd or props.require_known_prices
        # The outermost folder: those of stages lie in it, and its manifest names them.
        folders = sorted((Path(path).parent for path in context.template_paths), key=lambda folder: len(folder.parts))
        violations = list(self._violations(folders[0])) if asked and folders else []
        success = all(violation.severity == "warning" for violation in violations)
        return cdk.PolicyValidationPluginReport(success=success, violations=violations)

    def _violations(self, folder: Path) -> Iterator[cdk.PolicyViolation]:
        props, warnings = self._props, list[str]()

        def book(region: str) -> PriceBook:
            found = read_prices(None, region, props.region_factor)
            warnings.append(check_age(found, today(), accepted=props.accept_old_prices))
            return found

        try:
            found = estimate(read_stacks(folder)[0], book, props.usage)
        except (Refused, BadInput) as error:
            yield _violation("PricesTooOld", str(error), _REFRESH)
            return
        yield from (_violation("OldPrices", text, _REFRESH, severity="warning") for text in warnings if text)
        ceiling = props.monthly_ceiling_usd
        if ceiling is not None and (over := excess("the app", found, ceiling)):
            yield _violation("OverCeiling", over[1], _CHEAPER, over[0])
        for workload, limit in sorted(props.workload_ceilings_usd.items()):
            own = Estimate([line for line in found.lines if line.workload == workload])
            if over := excess(f"the workload {workload}", own, limit):
                yield _violation("WorkloadOverCeiling", over[1], _CHEAPER, over[0])
        if props.require_known_prices:
            yield from (_violation("UnknownPrice", says, _REFRESH, line) for line, says in uncertainties(found))


_REFRESH = "renew the prices: groundplan prices refresh; groundplan prices check shows what is missing"
_CHEAPER = "make it cheaper or raise monthly_cost_ceiling_usd; groundplan cost shows every resource and its price"


def _violation(
    rule: str, description: str, fix: str, line: Line | None = None, *, severity: str = "error"
) -> cdk.PolicyViolation:
    resources = [
        cdk.PolicyViolatingResource(
            resource_logical_id=line.logical_id, template_path=str(line.template), locations=["Properties"]
        )
        for line in ([line] if line and line.logical_id else [])
    ]
    return cdk.PolicyViolation(
        rule_name=rule, description=description, fix=fix, severity=severity, violating_resources=resources
    )
