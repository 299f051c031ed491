"""The questions that a bill is asked, once, in the two spellings that answer them.

DuckDB reads files, in a function or on a desk; Athena reads tables of any size. What they write differently is in a
`Spelling`. Every question is asked of `charges`, a query over an export, one row a charge:

    provider, currency, billing_account, account, month, day, service, category, cause, tags, sku, meter, unit,
    resource, region, quantity, billed, effective, list, contracted, start, `whole`, which tells rows apart, and
    `key`, which may, and is quicker

Money and quantities are exact decimals; `month` is that of the invoice, `day` that of the charge, both of UTC.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from groundplan.focus.columns import READ, Kind

Dimension = Literal["workload", "tenant", "feature", "account", "service", "day", "month", "region"]
DIMENSIONS: tuple[Dimension, ...] = ("workload", "tenant", "feature", "account", "service", "day")
TAGS = ("workload", "tenant", "feature")
# Where a tag stands among the tags: under its own key, or as an export prefixes it.
PREFIXES = ("", "user:", "user_", "resourceTags/", "resourceTags/user:")
MONEY = "DECIMAL(38, 18)"  # 20 digits before the point, 18 behind it
MEASURES = ("billed", "effective", "list", "contracted")

# Why a charge costs less than it was contracted for. What a contract takes off is list less contracted, and apart.
_CAUSE = """CASE
        WHEN category = 'Credit' THEN 'credit'
        WHEN category = 'Purchase' AND commitment IS NOT NULL THEN 'prepaid'
        WHEN pricing = 'Dynamic' THEN 'spot'
        WHEN pricing = 'Committed' OR commitment IS NOT NULL THEN 'commitment'
        ELSE 'other' END"""


@dataclass(frozen=True)
class Spelling:
    """What an engine writes in its own way; `columns` maps FOCUS names to expressions of their kind's type."""

    columns: Mapping[str, str]
    tag: Callable[[str, str], str]  # of the column `tags` and a key
    clean: Callable[[str], str] = str  # of a text, with whatever the engine has for nothing as NULL
    sum: Callable[[str], str] = "sum({})".format  # of amounts, exactly
    whole: str = "NULL"
    key: str = "NULL"

    def column(self, name: str) -> str:
        """The expression of a column; NULL of its type where there is none."""
        types: dict[Kind, str] = {"money": MONEY, "quantity": MONEY, "time": "timestamp"}
        kind: Kind = next(one.kind for one in READ if one.name == name)
        return self.columns.get(name) or f"CAST(NULL AS {types.get(kind, 'varchar')})"


def athena(columns: Mapping[str, str]) -> Spelling:
    """Athena's, over a table of an export in which columns are called so, tags are a map and money is of any type."""

    def cast(name: str, kind: Kind) -> str:
        if kind in ("money", "quantity"):
            return f"CAST({name} AS {MONEY})"
        return f"CAST({name} AS timestamp)" if kind == "time" else name

    kinds: dict[str, Kind] = {one.name: one.kind for one in READ}
    return Spelling(
        columns={name: cast(own, kinds[name]) for name, own in columns.items()},
        # tags['…'] raises on a key that is not there; element_at does not.
        tag=lambda tags, key: f"element_at({tags}, '{key}')",
    )


def charges(source: str, spelling: Spelling) -> str:
    """One row a charge, of `source`."""
    column = spelling.column
    start = column("ChargePeriodStart")
    month = f"CAST(date_trunc('month', coalesce({column('BillingPeriodStart')}, {start})) AS date)"
    return f"""SELECT provider, currency, billing_account, account, month, day, service, category,
    {_CAUSE} AS cause, tags, sku, meter, unit, resource, region, quantity, billed, effective, start, whole, key,
    coalesce(listed, contract, effective) AS list, coalesce(contract, listed, effective) AS contracted
FROM (SELECT
    {column("ServiceProviderName")} AS provider, {column("BillingCurrency")} AS currency,
    {column("BillingAccountId")} AS billing_account,
    coalesce({column("SubAccountId")}, {column("BillingAccountId")}) AS account,
    {month} AS month, CAST({start} AS date) AS day,
    {column("ServiceName")} AS service, {column("ChargeCategory")} AS category,
    {column("PricingCategory")} AS pricing, {column("CommitmentDiscountId")} AS commitment,
    {column("Tags")} AS tags, {column("SkuId")} AS sku, {column("SkuMeter")} AS meter,
    {column("ConsumedUnit")} AS unit, {column("ResourceId")} AS resource, {column("RegionId")} AS region,
    {column("ConsumedQuantity")} AS quantity, {column("BilledCost")} AS billed,
    {column("EffectiveCost")} AS effective, {column("ListCost")} AS listed, {column("ContractedCost")} AS contract,
    {start} AS start, {spelling.whole} AS whole, {spelling.key} AS key
FROM {source})"""


def cube(relation: str, by: Sequence[str], spelling: Spelling, measures: Sequence[str] = MEASURES) -> str:
    """Sums of charges by provider, currency, cause and the dimensions, from which coarser sums can be made.

    Tags are read and texts cleaned after most of the summing: once for each that occurs, not for each charge.
    """
    return cleaned(f"({summed(relation, by, spelling, measures)})", by, spelling, measures)


def summed(relation: str, by: Sequence[str], spelling: Spelling, measures: Sequence[str], more: str = "") -> str:
    """Sums of charges by what their columns hold. `unpriced` counts charges that cannot be summed."""
    keys = ", ".join(_given(by))
    sums = ", ".join(f"{spelling.sum(name)} AS {name}" for name in measures)
    return f"""SELECT {keys}, {sums}, count(*) AS charges,
    count(*) FILTER (WHERE billed IS NULL OR effective IS NULL OR start IS NULL) AS unpriced{more}
    FROM {relation} GROUP BY {keys}"""


def cleaned(relation: str, by: Sequence[str], spelling: Spelling, measures: Sequence[str] = MEASURES) -> str:
    """Sums by dimensions, of what `summed` answers."""
    outer = {name: _clean(name, spelling) for name in ("provider", "currency", "cause", *by)}
    return f"""SELECT {", ".join(f"{value} AS {name}" for name, value in outer.items())}, {_sums(measures)},
    sum(charges) AS charges, sum(unpriced) AS unpriced
FROM {relation}
GROUP BY {", ".join(outer.values())}"""


def _given(by: Sequence[str]) -> list[str]:
    keys = [name for name in ("provider", "currency", "cause", *by) if name not in TAGS]
    return keys + ["tags"][: len({*TAGS} & {*by})]


def _sums(measures: Sequence[str]) -> str:
    return ", ".join(f"sum({name}) AS {name}" for name in measures)


def grouped(by: Sequence[str], measures: Sequence[str] = MEASURES) -> str:
    """Coarser sums, of a relation `cube`, in the order of their keys."""
    keys = ", ".join(("provider", "currency", *by, "cause"))
    return f"SELECT {keys}, {_sums([*measures, 'charges'])} FROM cube GROUP BY {keys} ORDER BY {keys}"


def _clean(name: str, spelling: Spelling) -> str:
    if name in TAGS:
        return tag(name, spelling)
    return name if name in ("cause", "day", "month") else spelling.clean(name)


def tag(key: str, spelling: Spelling) -> str:
    """A tag's value; one that is empty counts as none."""
    found = ", ".join(spelling.tag("tags", f"{prefix}{key}") for prefix in PREFIXES)
    return f"nullif(trim(coalesce({found})), '')"
