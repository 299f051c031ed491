"""The meter in the lake: where its lines lie, the table over them, and the question that counts each request once.

What carries lines there delivers at least once, in any order: whoever sums them must not sum rows.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from groundplan.focus.queries import MONEY
from groundplan.gateway.meter import PROCESS_DIED, SCHEMA, Metered
from groundplan.gateway.token_cost import Usage
from groundplan.table import ARRIVED

REQUESTS = "requests"  # prefix of the bucket, requests/arrived=2026-11-21/….gz, and name of the table
FAILED = "failed"  # prefix of what could not be delivered as lines, with the reason
_TYPES: Mapping[Any, str] = {int: "bigint", float: "double", bool: "boolean"}  # everything else is text
# Column to its type in Glue and Athena. Dollars are text: a reader of JSON would take them for binary fractions.
COLUMNS: Mapping[str, str] = {
    "schema": "string",
    **{one.name: _TYPES.get(one.type, "string") for one in fields(Metered) if one.name not in ("usage", "usd")},
    **{f"{one.name}_tokens": "bigint" for one in fields(Usage)},
    "usd": "string",
}


def sums(source: str) -> str:
    """The question for `focus.metered_sum.MeteredSum`s, of a table or of a relation with `COLUMNS`.

    DuckDB and Athena read the same. A request counts once, by its own line if there is one: see
    `groundplan.gateway.meter.totals`.
    """
    keys = "month, tenant, feature, workload, model"
    tokens = [f"{one.name}_tokens" for one in fields(Usage)]
    return f"""SELECT {keys}, count(*) AS requests, count_if(guardrail <> 'none') AS interventions,
    {", ".join(f"sum({name}) AS {name}" for name in tokens)}, sum(CAST(usd AS {MONEY})) AS usd
FROM (SELECT substr("time", 1, 7) AS month, tenant, feature, workload, model, guardrail, {", ".join(tokens)}, usd,
    row_number() OVER (PARTITION BY request_id ORDER BY code = '{PROCESS_DIED}') AS delivery
    FROM {source} WHERE "schema" = '{SCHEMA}') AS lines
WHERE delivery = 1 GROUP BY {keys} ORDER BY {keys}"""


def since(month: str) -> str:
    """The first key that may hold a line of this month (2026-11) or a later one: what dies is metered days later."""
    return f"{REQUESTS}/{ARRIVED}={month}-01"
