"""A bill beside what is known without it: what was designed, and what the platform saw and used."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from groundplan.focus.metered_sum import MeteredSum
from groundplan.focus.report import Report
from groundplan.focus.same_day import not_billed_yet, reconciled
from groundplan.focus.use import STALE_HOURS, Use
from groundplan.focus.workloads import Charged, Designed, NotBilled, workload_lines

NOT_IN_IT = "usage of machines times the price files; tokens, requests, storage and discounts come with the bill"


@dataclass(frozen=True)
class Known:
    """Designs by workload, and the platform's own month; None where nobody looked, which is not nothing.

    `metered` is the gateway's own count.
    """

    designed: Mapping[str, Designed] = field(default_factory=dict[str, Designed])
    use: Use | None = None
    metered: Sequence[MeteredSum] = ()


def beside(found: Report, charged: Sequence[Charged], known: Known) -> Report:
    """The report of a bill with its lines, and the same-day figures beside it."""
    use = known.use
    newest = max((one.month for one in charged), default=None)
    fits = use is not None and newest in (use.month, None)
    lines = workload_lines(charged, known.designed, use.observed if use and fits else {})
    notes = list(unpriced(use)) if use else []
    if use and newest and not fits:
        notes.append(
            f"runs, refused runs and idle endpoints are of {use.month:%Y-%m} and the newest bill is of "
            f"{newest:%Y-%m}: they are in no workload's line"
        )
    compared = reconciled(use, charged) if use else []
    if use and fits:
        through = use.at.astimezone(UTC).date()
        waiting = {one.workload: one.not_billed for one in compared}
        lines = [
            replace(line, not_billed=NotBilled(waiting.get(line.workload, Decimal(0)), through))
            if line.workload in use.observed
            else line
            for line in lines
        ]
    every_note = [*found.notes, *notes]
    return replace(found, workloads=lines, same_day=compared, metered=known.metered, notes=every_note)


def same_day_view(known: Known) -> Report:
    """Without a bill: what machines were used, at the prices of the price files. Nothing where nobody looked."""
    use = known.use
    charged = use.charged if use else ()
    totals, groups = not_billed_yet(charged)
    lines = workload_lines(charged, known.designed, use.observed if use else {})
    notes = [NOT_IN_IT, *(unpriced(use) if use else ())]
    return Report(totals, groups, [], [], notes, lines, metered=known.metered)


def unpriced(use: Use) -> Iterator[str]:
    """Notes on what was used and has no price: no sum holds it."""
    for one in use.unpriced:
        yield f"no price is known of {one}: it is in no same-day figure"


def age_note(use: Use, now: datetime) -> str:
    """When the platform was looked at, and whether that is too long ago."""
    hours, at = use.age_hours(now), f"{use.at.astimezone(UTC):%d %B %Y, %H:%M} UTC"
    if hours > STALE_HOURS:
        return (
            f"the platform was last looked at {at}, {hours:.0f} hours ago: runs, refused runs, idle endpoints and "
            "same-day figures since then are missing"
        )
    return f"runs, refused runs, idle endpoints and same-day figures are as of {at}, {hours:.1f} hours ago"
