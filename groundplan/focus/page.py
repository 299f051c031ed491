"""The cost report as a page: one file that loads nothing, for a screen, a telephone or paper; or as a widget.

Nothing is told by colour alone: each judgement is a word, and each bar has its number beside it.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape

from groundplan.focus.metered_sum import MeteredSum
from groundplan.focus.metered_sum import dearest as dearest_metered
from groundplan.focus.report import CAUSES, NOTHING, Group, Report, Sums, money, seen_words
from groundplan.focus.use import SameDay
from groundplan.focus.workloads import WorkloadLine
from groundplan.prices import dollars

MOST_LINES = 100  # of the table of workloads
MOST_PROVIDERS = 3  # with tables of their own; a seller on a marketplace is a provider, too
MOST_TOTALS = 15  # of the others
FEWER_ROWS = 9  # of a table where more than two providers have some
MOST_ROWS = 15  # of a table; what is left is one row more, so that every table sums to its total
STYLE = """
.bill{color-scheme:light dark;--ink:#1b1f24;--quiet:#57606a;--line:#d0d7de;--paper:#fff;--soft:#f6f8fa;--bar:#8aa4c8;
--bad:#b3161b;--good:#0a6b2d;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
@media (prefers-color-scheme:dark){.bill{--ink:#e6edf3;--quiet:#9da7b3;--line:#3d444d;--paper:#0d1117;--soft:#161b22;
--bar:#3d5a80;--bad:#ff8f88;--good:#56d364}}
.bill *{box-sizing:border-box}
.bill h1,.bill h2{overflow-wrap:anywhere}
.bill h1{font-size:1.5rem;margin:.2rem 0}.bill h2{font-size:1.15rem;margin:2rem 0 .5rem}
.bill h3{font-size:1rem;margin:1.2rem 0 .3rem}.bill p{margin:.4rem 0}
.bill .quiet{color:var(--quiet);font-size:.9rem}
.bill .banner{border:2px solid;border-radius:.5rem;padding:.7rem 1rem;margin:1rem 0}
.bill .banner ul{margin:.3rem 0 0;padding-left:1.2rem;color:var(--ink)}
.bill .above{color:var(--bad)}.bill .within{color:var(--good)}
.bill .wide{overflow-x:auto}
.bill table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
.bill th,.bill td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid var(--line)}
.bill th{font-weight:600;overflow-wrap:anywhere}.bill .number{text-align:right;white-space:nowrap}
.bill tbody th{min-width:7rem}
.bill tr.total th,.bill tr.total td{border-top:2px solid var(--ink);font-weight:600}
.bill .card{border:1px solid var(--line);border-radius:.5rem;padding:.7rem 1rem;margin:.7rem 0;background:var(--soft)}
.bill dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.4rem 1rem;margin:.5rem 0}
.bill dt{color:var(--quiet);font-size:.9rem}.bill dd{margin:0;font-weight:600}
.bill svg{display:block;width:100%;height:auto}
.bill svg .bar{fill:var(--bar);stroke:var(--ink);stroke-width:.5}
.bill svg .axis{stroke:var(--line)}.bill svg .ceiling{stroke:var(--bad);stroke-width:2;stroke-dasharray:4 3}
.bill td svg{width:9rem}
.bill .ends{display:flex;justify-content:space-between}.bill .card h2{margin:.2rem 0 .5rem}
@media (max-width:40rem){.bill{font-size:15px}.bill th,.bill td{padding:.25rem .35rem}.bill .spare{display:none}}
@media print{.bill{--ink:#000;--quiet:#333;--paper:#fff;--soft:#fff;--bar:#bbb;color:#000}
.bill .wide{overflow:visible}.bill h2,.bill h3{break-after:avoid}.bill tr,.bill .card,.bill svg{break-inside:avoid}}
"""
PAGE = """
body{margin:0 auto;max-width:72rem;padding:1rem;background:#fff}
@media (prefers-color-scheme:dark){body{background:#0d1117}}
@media print{body{max-width:none;padding:0;background:#fff}}
"""
WIDTH, HEIGHT = 720, 110
AMOUNTS = ("billed", "effective", "list", "saved")
TIMES = "\N{MULTIPLICATION SIGN}"


def page(report: Report, *, title: str, written: str) -> str:
    """The page as HTML; `written` is the time in words."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{_text(title)}</title>
<style>{PAGE}</style>
</head>
<body>
{fragment(report, title=title, written=written)}
</body>
</html>
"""


def fragment(report: Report, *, title: str, written: str) -> str:
    """The same without a page around it: what a CloudWatch custom widget shows.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard.html
    """
    return "\n".join(
        [
            f"<style>{STYLE}</style>",
            # CloudWatch's own style of tables and headings is left out where it sees the second class.
            f'<main class="bill cwdb-no-default-styles"><h1>{_text(title)}</h1>',
            f'<p class="quiet">Written {_text(written)}. Costs of workloads are effective costs: what a use costs '
            "with its share of what was prepaid. Billed costs are those of the invoice. Days are those of UTC.</p>",
            *_ceilings(report.workloads),
            *_lines(report.workloads),
            *(part for line in _dearest(report.workloads) for part in _workload(line)),
            *_same_day(report.same_day),
            *_metered(report.metered),
            *_providers(report),
            *_basis(report),
            "</main>",
        ]
    )


def _ceilings(lines: Sequence[WorkloadLine]) -> Iterator[str]:
    above = [line for line in lines if _is_above(line)]
    if above:
        yield '<div class="banner above" role="status"><strong>✕ Above the ceiling at the month\'s end</strong><ul>'
        for line in sorted(above, key=lambda line: -(line.above or NOTHING))[:MOST_ROWS]:
            yield f"<li>{_text(line.workload)}: {_times(line)}</li>"
        more = len(above) - MOST_ROWS
        yield (f"<li>and {more} more</li>" if more > 0 else "") + "</ul></div>"
    elif any(line.above is not None for line in lines):
        yield '<div class="banner within" role="status"><strong>✓ No workload passes its ceiling</strong></div>'


def _lines(lines: Sequence[WorkloadLine]) -> Iterator[str]:
    if not lines:
        return
    yield f"<h2>Workloads in {lines[0].month:%B %Y}</h2>"
    yield '<div class="wide"><table><thead><tr><th scope="col">workload</th>'
    heads = ("ceiling", "estimate", "actual", "forecast")
    yield "".join(f'<th scope="col" class="{_narrow(head)}">{head}</th>' for head in heads)
    yield '<th scope="col" class="number">of the ceiling</th>'
    yield '<th scope="col" class="spare">why it differs</th></tr></thead><tbody>'
    for line in lines[:MOST_LINES]:
        meant, coming = line.designed, line.forecast
        amounts = (meant.ceiling_usd, meant.estimate_usd_at_most, coming.to_date, coming.month_end)
        yield f'<tr><th scope="row">{_text(line.workload)}</th>'
        yield "".join(
            f'<td class="{_narrow(head)}">{_text(_or_none(amount))}</td>'
            for head, amount in zip(heads, amounts, strict=True)
        )
        word = "above" if _is_above(line) else "within"
        share = "none" if line.above is None else f'<b class="{word}">{line.above:.0%}, {word}</b>'
        yield f'<td class="number">{share}</td><td class="spare">{_text(line.why)}</td></tr>'
    more = len(lines) - MOST_LINES
    yield "</tbody></table></div>" + (f"<p>and {more} more workloads</p>" if more > 0 else "")


def _dearest(lines: Sequence[WorkloadLine]) -> Sequence[WorkloadLine]:
    first = sorted(lines, key=lambda line: -line.forecast.month_end)[:MOST_ROWS]
    return sorted(first, key=lambda line: line.workload)


def _is_above(line: WorkloadLine) -> bool:
    return line.above is not None and line.above > 1


def _times(line: WorkloadLine) -> str:
    return "no ceiling is set" if line.above is None else f"{line.above:.1f} {TIMES} the ceiling"


def _workload(line: WorkloadLine) -> Iterator[str]:
    meant, coming = line.designed, line.forecast
    kind, sign = ("above", "✕ ") if _is_above(line) else ("within", "✓ ")
    kind, sign = (kind, sign) if line.above is not None else ("quiet", "")
    owner = f' <span class="quiet">{_text(meant.owner)}</span>' if meant.owner else ""
    yield f'<section class="card"><h2>{_text(line.workload)}{owner}</h2>'
    yield f'<p class="{kind}">{sign}{_times(line)}</p><dl>'
    estimate = _or_none(meant.estimate_usd_at_most)
    if meant.estimate_usd_at_most is not None and meant.estimate_usd != meant.estimate_usd_at_most:
        estimate = f"{dollars(meant.estimate_usd or NOTHING)} to {estimate}"
    between = f"{dollars(coming.low)} to {dollars(coming.high)}"
    facts = [
        ("ceiling", _or_none(meant.ceiling_usd)),
        (
            "estimate at synth",
            estimate + (f", plus {len(meant.unknown_prices)} unknown" * bool(meant.unknown_prices)),
        ),
        (f"actual through {coming.last_day:%d %B}", dollars(coming.to_date)),
        (
            "forecast to the month's end",
            f"{dollars(coming.month_end)} ({between})",
        ),
    ]
    if line.not_billed and line.not_billed.usd:
        facts.append((f"machines not billed yet, {line.not_billed.through:%d %B}", dollars(line.not_billed.usd)))
    yield "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in facts)
    yield f"</dl>{_standing(line)}<p>Why forecast and estimate differ: {_text(line.why)}.</p>"
    costs = line.unit_costs
    units = [
        (name, costs.get(key))
        for name, key in (
            ("a training run", "training_run_usd"),
            ("1,000 inferences", "thousand_inferences_usd"),
            ("a million tokens", "million_tokens_usd"),
        )
    ]
    known = [f"{name} {dollars(Decimal(value))}" for name, value in units if value]
    tenants = [
        f"tenant {one['tenant'] or '(none)'} {dollars(Decimal(one['usd']))}" for one in costs.get("tenants", ())[:5]
    ]
    yield f'<p class="quiet">{_text("; ".join([*known, *tenants]) or "nothing to divide it by")}</p>'
    yield "".join(f"<p>{_text(words[0].upper() + words[1:])}.</p>" for words in seen_words(line))
    yield "</section>"


def _same_day(found: Sequence[SameDay]) -> Iterator[str]:
    """Machines by usage and price beside their bill."""
    if not found:
        return
    yield "<h2>Same-day view: machines by usage and price</h2>"
    heads = ("by usage", "billed", "wrong by", "on later days")
    yield '<div class="wide"><table><thead><tr><th scope="col">workload</th><th scope="col" class="spare">days</th>'
    yield "".join(f'<th scope="col" class="number">{head}</th>' for head in heads) + "</tr></thead><tbody>"
    dearest = sorted(found, key=lambda one: (-one.same_day - one.later, one.workload))[:MOST_ROWS]
    for one in dearest:
        known = one.first is not None
        days = f"{one.first:%d %b} to {one.through:%d %b}" if one.first and one.through else "none billed whole yet"
        wrong = "not known" if one.error is None else f"{one.error:+.1%}"
        cells = (dollars(one.same_day) if known else "none", dollars(one.billed) if known else "none", wrong)
        yield f'<tr><th scope="row">{_text(one.workload)}</th><td class="spare">{_text(days)}</td>'
        yield "".join(f'<td class="number">{_text(cell)}</td>' for cell in (*cells, dollars(one.later))) + "</tr>"
    more = len(found) - len(dearest)
    yield "</tbody></table></div>" + (f"<p>and {more} more; the JSON has them all</p>" if more else "")


def _standing(line: WorkloadLine) -> str:
    """Actual, forecast and ceiling to one scale."""
    ceiling, coming = line.designed.ceiling_usd, line.forecast
    most = max(coming.high, coming.to_date, ceiling or NOTHING, Decimal("0.01"))

    def x(amount: Decimal) -> float:
        return round(float(max(amount, NOTHING) / most) * (WIDTH - 10), 1)

    says = f"{dollars(coming.to_date)} so far, {dollars(coming.month_end)} forecast, ceiling {_or_none(ceiling)}"
    mark = f'<line class="ceiling" x1="{x(ceiling)}" x2="{x(ceiling)}" y1="0" y2="34"/>' if ceiling else ""
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} 34" aria-label="{_text(says)}">'
        f'<rect class="bar" x="0" y="4" width="{x(coming.to_date)}" height="12"/>'
        f'<rect class="bar" x="0" y="20" width="{x(coming.month_end)}" height="8" fill-opacity=".4"/>{mark}'
        '</svg><p class="quiet">Thick: so far. Thin: forecast. Dashed: ceiling.</p>'
    )


def _metered(found: Sequence[MeteredSum]) -> Iterator[str]:
    """The gateway's own count, by tenant and feature: a bill does not know them."""
    if not found:
        return
    yield f"<h2>Metered by the gateway in {_text(found[0].month)}</h2>"
    yield '<p class="quiet">Each request once, at the prices by which the gateway counts; the bill comes later.</p>'
    heads = ("requests", "tokens", "dollars")
    names = '<th scope="col">tenant, feature</th><th scope="col" class="spare">workload, model</th>'
    columns = "".join(f'<th scope="col" class="number">{head}</th>' for head in heads)
    yield f'<div class="wide"><table><thead><tr>{names}{columns}</tr></thead><tbody>'
    for one in dearest_metered(found)[:MOST_LINES]:
        yield f'<tr><th scope="row">{_text(f"{one.tenant}, {one.feature}")}</th>'
        yield f'<td class="spare">{_text(f"{one.workload}, {one.model}")}</td>{_amounts([one])}</tr>'
    yield f'<tr class="total"><th scope="row">total</th><td class="spare"></td>{_amounts(found)}</tr></tbody></table>'
    more = len(found) - MOST_LINES
    yield "</div>" + (f"<p>and {more} more, in the total; the JSON has them all</p>" if more > 0 else "")


def _amounts(found: Sequence[MeteredSum]) -> str:
    usd = sum((one.usd for one in found), NOTHING)
    cells = (f"{sum(one.requests for one in found):,}", f"{sum(one.tokens for one in found):,}", dollars(usd))
    return "".join(f'<td class="number">{_text(cell)}</td>' for cell in cells)


def _providers(report: Report) -> Iterator[str]:
    """The dearest in US dollars first; of the others the totals, which are never added up."""
    dearest = sorted(report.totals, key=lambda total: (total.currency != "USD", -total.sums.effective))
    for total in dearest[:MOST_PROVIDERS]:
        yield from _provider(report, total, MOST_ROWS if len(dearest) < MOST_PROVIDERS else FEWER_ROWS)
    others = dearest[MOST_PROVIDERS:]
    if others:
        yield f"<h2>Other providers and currencies</h2>{_head()}"
        for total in others[:MOST_TOTALS]:
            yield _row(_whose(total), total.sums, total.currency, None)
        more = len(others) - MOST_TOTALS
        yield "</tbody></table></div>" + (f"<p>and {more} more; the JSON has them all</p>" if more > 0 else "")


def _whose(total: Group) -> str:
    return f"{total.provider or '(no provider)'}, {total.currency}"


def _provider(report: Report, total: Group, most_rows: int) -> Iterator[str]:
    yield f"<h2>{_text(_whose(total))}</h2>"
    own = [one for one in report.groups if (one.provider, one.currency) == (total.provider, total.currency)]
    saved = [(cause, total.sums.savings.get(cause, NOTHING)) for cause in CAUSES]
    said = ", ".join(f"{cause} {money(amount, total.currency)}" for cause, amount in saved if amount)
    yield f'<p class="quiet">{total.sums.rows:,} charges. Saved of the list price: {_text(said or "nothing")}.</p>'
    for by in dict.fromkeys(group.by for group in own):
        groups = [group for group in own if group.by == by]
        yield f"<h3>by {_text(by.replace(',', ', '))}</h3>"
        if by == "day":
            yield _days(groups)
        yield from _table(groups, total, most_rows)


def _head() -> str:
    heads = "".join(f'<th scope="col" class="{_narrow(head)}">{head}</th>' for head in AMOUNTS)
    names = '<th scope="col">name</th><th scope="col" class="spare">share</th>'
    return f'<div class="wide"><table><thead><tr>{names}{heads}</tr></thead><tbody>'


def _table(groups: Sequence[Group], total: Group, most_rows: int) -> Iterator[str]:
    yield _head()
    most = max((abs(group.sums.effective) for group in groups), default=NOTHING) or Decimal(1)
    shown = _shown(groups, most_rows)
    for group in shown:
        yield _row(group.name, group.sums, total.currency, group.sums.effective / most)
    rest = [group.sums for group in groups if group not in shown]
    if rest:
        yield _row(f"{len(rest)} others", sum(rest, Sums()), total.currency, None)
    yield _row("total", total.sums, total.currency, None, "total") + "</tbody></table></div>"


def _shown(groups: Sequence[Group], most_rows: int) -> Sequence[Group]:
    """The dearest, what nobody answers for, and of days the newest."""
    if groups and "day" in groups[0].key:
        return groups[-most_rows:]
    unallocated = [group for group in groups if None in group.key.values()][:most_rows]
    dearest = sorted(groups, key=lambda group: (-abs(group.sums.effective), group.name))
    others = [group for group in dearest if group not in unallocated]
    return [*others[: most_rows - len(unallocated)], *unallocated]


def _row(name: str, sums: Sums, currency: str, share: Decimal | None, kind: str = "") -> str:
    amounts = (sums.billed, sums.effective, sums.list, sums.list - sums.effective)
    cells = "".join(
        f'<td class="{_narrow(head)}">{_text(money(amount, currency))}</td>'
        for head, amount in zip(AMOUNTS, amounts, strict=True)
    )
    bar = "" if share is None else _bar(share)
    return f'<tr class="{kind}"><th scope="row">{_text(name)}</th><td class="spare">{bar}</td>{cells}</tr>'


def _narrow(head: str) -> str:
    """Classes of a column of amounts; on a telephone there is room for three."""
    return "number spare" if head in ("list", "estimate") else "number"


def _bar(share: Decimal) -> str:
    width = round(max(float(share), 0) * 100, 1)
    return f'<svg viewBox="0 0 100 10" aria-hidden="true"><rect class="bar" width="{width}" height="9"/></svg>'


def _days(groups: Sequence[Group]) -> str:
    days = list(groups)[-62:]
    if not days:
        return ""
    dearest = max(days, key=lambda group: group.sums.effective)
    most = float(dearest.sums.effective) or 1.0
    step = WIDTH / len(days)
    bars = "".join(
        f'<rect class="bar" x="{at * step + 1:.1f}" y="{HEIGHT - high:.1f}" '
        f'width="{step - 2:.1f}" height="{high:.1f}"/>'
        for at, group in enumerate(days)
        for high in [max(float(group.sums.effective), 0) / most * (HEIGHT - 4)]
    )
    says = f"effective cost by day; highest on {dearest.name}: {money(dearest.sums.effective, dearest.currency)}"
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}" aria-label="{_text(says)}">{bars}'
        f'<line class="axis" x1="0" x2="{WIDTH}" y1="{HEIGHT}" y2="{HEIGHT}"/></svg>'
        f'<p class="ends quiet"><span>{_text(days[0].name)}</span><span>{_text(says)}</span>'
        f"<span>{_text(days[-1].name)}</span></p>"
    )


def _basis(report: Report) -> Iterator[str]:
    yield "<h2>What this rests on</h2>"
    for one in report.reconciliation[:MOST_TOTALS]:
        left = f", left out as there already: {one.left_out_rows:,} ({money(one.left_out, one.currency)})"
        yield (
            f"<p>{_text(one.provider or '(no provider)')}: the files hold {one.held_rows:,} charges, "
            f"{_text(money(one.held, one.currency))}{_text(left) if one.left_out_rows else ''}. Counted: "
            f"{_text(money(one.counted, one.currency))}; difference {_text(money(one.difference, one.currency))}.</p>"
        )
    wrong = [file for file in report.files if file.status != "counted"]
    if wrong:
        yield "<h3>Files that are not counted</h3><ul>"
        yield from (f"<li>{_text(one.name)}: {one.status}; {_text(one.reason)}</li>" for one in wrong[:50])
        yield "</ul>"
    if report.notes:
        yield "<h3>Notes</h3><ul>" + "".join(f"<li>{_text(note)}</li>" for note in report.notes[:50]) + "</ul>"
    if report.workloads:
        from_words = report.workloads[0].as_json()["forecast_method"]
        yield f'<p class="quiet">Forecast: {_text(from_words)}.</p>'


def _or_none(amount: Decimal | None) -> str:
    return "none" if amount is None else dollars(amount)


def _text(value: str) -> str:
    """Text of a bill as text of a page, whatever it holds; what cannot be shown is named."""
    short = value if len(value) <= 300 else value[:299] + "…"
    return escape("".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in short))
