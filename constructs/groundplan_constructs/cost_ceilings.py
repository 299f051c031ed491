"""A validation plug-in that stops synthesis of what costs more than it may, or costs nobody knows how much."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import aws_cdk as cdk
import jsii

from groundplan.estimate import Estimate, Line, Usage, estimate, read_stacks
from groundplan.prices import Money, PriceBook, RegionFactor, check_age, dollars, read_prices, today
from groundplan.refusal import BadInput, Refused

WEIGHTIEST = 5


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
        return ["OverCeiling", "WorkloadOverCeiling", "UnknownPrice", "PricesTooOld"]

    def validate(self, context: cdk.IPolicyValidationContext) -> cdk.PolicyValidationPluginReport:
        """Estimate the app's templates and compare."""
        props = self._props
        if props.monthly_ceiling_usd is None and not props.workload_ceilings_usd and not props.require_known_prices:
            return cdk.PolicyValidationPluginReport(success=True, violations=[])
        templates = [Path(path) for path in context.template_paths]
        violations = list(self._violations(templates))
        return cdk.PolicyValidationPluginReport(success=not violations, violations=violations)

    def _violations(self, templates: Sequence[Path]) -> Iterator[cdk.PolicyViolation]:
        # The outermost folder: those of stages lie in it, and its manifest names them.
        folder = min((path.parent for path in templates), key=lambda path: len(path.parts), default=None)
        if folder is None:
            return
        try:
            stacks, _ = read_stacks(folder)
            found = estimate(stacks, self._book, self._props.usage)
        except (Refused, BadInput) as error:
            yield _violation("PricesTooOld", str(error), "groundplan prices refresh", [])
            return
        ceiling = self._props.monthly_ceiling_usd
        if ceiling is not None and found.total.most > ceiling:
            yield _over("OverCeiling", "the app", found, ceiling)
        costs = found.totals_by("workload")
        for workload, limit in sorted(self._props.workload_ceilings_usd.items()):
            if costs.get(workload, Money()).most > limit:
                own = Estimate([line for line in found.lines if line.workload == workload])
                yield _over("WorkloadOverCeiling", f"the workload {workload}", own, limit)
        if self._props.require_known_prices:
            yield from _unknown(found)

    def _book(self, region: str) -> PriceBook:
        book = read_prices(None, region, self._props.region_factor)
        check_age(book, today(), accepted=self._props.accept_old_prices)
        return book


def _over(rule: str, what: str, found: Estimate, ceiling: Decimal | int) -> cdk.PolicyViolation:
    heaviest = found.weightiest(WEIGHTIEST)
    over = dollars(found.total.most - ceiling)
    weights = "; ".join(f"{line.path} ({line.type}) {line.cost}" for line in heaviest)
    says = f"{what} would cost {found.total} a month, {over} above its ceiling of {dollars(Decimal(ceiling))}"
    fix = "make it cheaper or raise monthly_cost_ceiling_usd; groundplan cost shows every resource and its price"
    # The report says a violation once for each resource that it names, so it names the heaviest.
    return _violation(rule, f"{says}. What weighs most: {weights}", fix, heaviest[:1])


def _unknown(found: Estimate) -> Iterator[cdk.PolicyViolation]:
    fix = "renew the prices: groundplan prices refresh; or set require_known_prices = false"
    for line in found.lines:
        if not line.cost.exact:
            keys = [*line.cost.unknowns, *(f"{key} (extrapolated or stale)" for key in line.cost.uncertain)]
            reason = f": {line.reason}" if line.reason else ""
            says = f"{line.path} ({line.type}) has no certain price for {', '.join(keys)}{reason}"
            yield _violation("UnknownPrice", says, fix, [line])


def _violation(rule: str, description: str, fix: str, lines: Sequence[Line]) -> cdk.PolicyViolation:
    return cdk.PolicyViolation(
        rule_name=rule,
        description=description,
        fix=fix,
        severity="error",
        violating_resources=[
            cdk.PolicyViolatingResource(
                resource_logical_id=line.logical_id,
                template_path=str(line.template),
                locations=["Properties"],
            )
            for line in lines
            if line.logical_id
        ],
    )
