"""The page for the person who decides: one self-contained file, for the screen, a phone and paper.

Nothing is told by colour alone: each judgement is a word with a sign, and every bar has its numbers beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, cast

from groundplan.gate.figures import Share
from groundplan.gate.verdict import Judgement, Row, Verdict
from groundplan.json_value import mapping

_SIGNS: dict[Judgement, str] = {"passed": "✓", "failed": "✕", "not judged": "○"}
_CLASSES: dict[Judgement, str] = {"passed": "passed", "failed": "failed", "not judged": "unjudged"}
_NONE = "none"
_WIDTH, _HEIGHT = 180, 26

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--quiet:#57606a;--line:#d0d7de;--paper:#fff;--soft:#f6f8fa;
--good:#0a6b2d;--bad:#b3161b;--mark:#0550ae}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--quiet:#9da7b3;--line:#3d444d;--paper:#0d1117;--soft:#161b22;
--good:#56d364;--bad:#ff8f88;--mark:#79c0ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);
background:var(--paper)}
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}p{margin:.4rem 0}
.quiet{color:var(--quiet);font-size:.9rem}
.banner{border:2px solid;border-radius:.5rem;padding:.8rem 1rem;margin:1rem 0}
.banner strong{font-size:1.25rem}.banner ul{margin:.4rem 0 0;padding-left:1.2rem}
.passed{color:var(--good)}.failed{color:var(--bad)}.unjudged{color:var(--quiet)}
.banner li,.banner p{color:var(--ink)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line)}
th{font-weight:600}td.number,th.number{text-align:right;white-space:nowrap}
tr.failed td,tr.failed th{background:var(--soft)}tr.failed td:not(.verdict){color:var(--ink)}
tr.failed th{color:var(--ink)}tr.unjudged td,tr.unjudged th{color:var(--quiet)}tr.passed td:not(.verdict),
tr.passed th{color:var(--ink)}
td.verdict{font-weight:600}td.verdict span{display:block;font-weight:400;font-size:.9rem}
code{font:.85em ui-monospace,monospace;overflow-wrap:anywhere}
svg{display:block;width:11rem}td.verdict{min-width:9rem}svg .axis{stroke:var(--line)}
svg .interval{stroke:var(--ink);stroke-width:2}
svg .point{fill:var(--ink)}svg .serving{fill:none;stroke:var(--mark);stroke-width:2}
svg .floor{stroke:var(--bad);stroke-width:2;stroke-dasharray:3 2}
@media (max-width:40rem){body{padding:.6rem;font-size:15px}th,td{padding:.3rem .4rem}}
@media print{body{max-width:none;padding:0;color:#000;background:#fff}.wide{overflow:visible}
h2{break-after:avoid}tr{break-inside:avoid}:root{--ink:#000;--quiet:#333;--paper:#fff;--soft:#eee}}
"""


@dataclass(frozen=True)
class Changed:
    """One thing that makes the model, in the version in service (None: nothing serves yet) and in the candidate."""

    what: str
    in_service: str | None
    candidate: str


def page(verdict: Verdict, changes: Sequence[Changed], *, lineage: str, written: str) -> str:
    """The page as HTML. `lineage` is the command that shows what it was made from, `written` the time in words."""
    title = f"{verdict.workload}: {'may be released' if verdict.passed else 'stopped at the gate'}"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
            *_head(verdict, written),
            *_changes(verdict, changes),
            *_rows(verdict),
            *_checks(verdict),
            *_cost(verdict),
            "<h2>Where it comes from</h2>",
            f"<p>Ask for its data, code and environment: <code>{escape(lineage)}</code></p>",
            f'<p class="quiet">Held-out set, sha256 <code>{escape(verdict.held_out_sha256)}</code></p>',
            "</body></html>\n",
        ]
    )


def _head(verdict: Verdict, written: str) -> Iterator[str]:
    passed = verdict.passed
    yield f"<h1>{escape(verdict.candidate)}</h1>"
    serving = f"against {verdict.in_service}, which serves" if verdict.in_service else "nothing serves yet"
    yield f'<p class="quiet">{escape(verdict.workload)}, {escape(serving)}. Judged {escape(written)}.</p>'
    yield f'<div class="banner {"passed" if passed else "failed"}" role="status">'
    if passed:
        yield "<strong>✓ Passed</strong><p>Every question was answered well. A person decides.</p>"
    else:
        yield "<strong>✕ Stopped</strong><ul>"
        yield from (f"<li>{escape(why)}</li>" for why in verdict.failures)
        yield "</ul>"
    yield "</div>"


def _changes(verdict: Verdict, changes: Sequence[Changed]) -> Iterator[str]:
    yield '<h2>What changed</h2><div class="wide"><table><thead><tr><th scope="col">what</th>'
    yield f'<th scope="col">{escape(verdict.in_service or "in service: nothing")}</th>'
    yield '<th scope="col">candidate</th><th scope="col">changed</th></tr></thead><tbody>'
    for one in changes:
        word = "new" if one.in_service is None else "no" if one.in_service == one.candidate else "yes"
        before = f"<code>{escape(one.in_service)}</code>" if one.in_service is not None else _NONE
        yield f'<tr><th scope="row">{escape(one.what)}</th><td>{before}</td>'
        yield f"<td><code>{escape(one.candidate)}</code></td><td>{word}</td></tr>"
    yield "</tbody></table></div>"


def _rows(verdict: Verdict) -> Iterator[str]:
    yield f"<h2>Quality: {escape(verdict.key_metric)}, over all and by slice</h2>"
    yield f'<p class="quiet">{verdict.samples:,} samples that training never saw. '
    yield "● the candidate with its 95 % interval (Wilson), ◇ the version in service, ┆ the floor. "
    yield "A change is certain when its 95 % interval leaves zero out.</p>"
    yield '<div class="wide"><table><thead><tr><th scope="col">slice</th><th scope="col">judged</th>'
    yield '<th scope="col">picture</th>'
    numbers = ("candidate", "in service", "change", "simple rule", "floor", "samples")
    yield "".join(f'<th scope="col" class="number">{name}</th>' for name in numbers) + "</tr></thead><tbody>"
    lowest = min(_lowest(row) for row in verdict.rows)
    for row in verdict.rows:
        yield f'<tr class="{_CLASSES[row.judgement]}"><th scope="row">{escape(row.name)}</th>'
        yield f'<td class="verdict">{_judged(row.judgement, row.reasons)}</td><td>{_picture(row, lowest)}</td>'
        cells = (_figure(row.candidate), _figure(row.in_service), _moved(row), _figure(row.baseline))
        floor = _NONE if row.floor is None else escape(str(row.floor))
        yield "".join(f'<td class="number">{cell}</td>' for cell in (*cells, floor, f"{row.candidate.samples:,}"))
        yield "</tr>"
    yield "</tbody></table></div>"


def _judged(judgement: Judgement, reasons: Sequence[str]) -> str:
    return f"{_SIGNS[judgement]} {judgement}" + "".join(f"<span>{escape(reason)}</span>" for reason in reasons)


def _figure(share: Share | None) -> str:
    if share is None:
        return _NONE
    return f'{share.value:.3f}<br><span class="quiet">{share.low:.3f} to {share.high:.3f}</span>'


def _moved(row: Row) -> str:
    moved = row.against_service
    if moved is None:
        return _NONE
    word = "certain" if moved.certain else "maybe chance"
    return f'{moved.value:+.3f}<br><span class="quiet">{word}<br>{row.tolerance} tolerated</span>'


def _lowest(row: Row) -> float:
    given = [row.candidate.low, *([row.in_service.value] if row.in_service else [])]
    return min([*given, *([float(row.floor)] if row.floor is not None else [])])


def _picture(row: Row, lowest: float) -> str:
    start = int(max(0.0, lowest) * 10) / 10
    span = max(1 - start, 0.1)

    def x(value: float) -> float:
        return round(6 + (value - start) / span * (_WIDTH - 12), 1)

    middle, share = _HEIGHT / 2, row.candidate
    says = f"{row.name}: {share.value:.3f}, with 95 per cent between {share.low:.3f} and {share.high:.3f}"
    parts = [
        f'<svg role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-label="{escape(says)}"><title>{escape(says)}</title>',
        f'<line class="axis" x1="6" y1="{middle}" x2="{_WIDTH - 6}" y2="{middle}"/>',
        f'<line class="interval" x1="{x(share.low)}" y1="{middle}" x2="{x(share.high)}" y2="{middle}"/>',
    ]
    if row.floor is not None:
        parts.append(f'<line class="floor" x1="{x(float(row.floor))}" y1="3" x2="{x(float(row.floor))}" y2="23"/>')
    if row.in_service is not None:
        at = x(row.in_service.value)
        parts.append(f'<path class="serving" d="M{at - 5} {middle}l5-5 5 5-5 5z"/>')
    parts.append(f'<circle class="point" cx="{x(share.value)}" cy="{middle}" r="4"/></svg>')
    return "".join(parts)


def _checks(verdict: Verdict) -> Iterator[str]:
    yield '<h2>Everything else that was asked</h2><div class="wide"><table><thead><tr><th scope="col">question</th>'
    yield '<th scope="col">answer</th><th scope="col">judged</th></tr></thead><tbody>'
    for one in verdict.checks:
        yield f'<tr class="{_CLASSES[one.judgement]}"><th scope="row">{escape(one.name)}</th>'
        yield f"<td>{escape(one.says)}</td>"
        yield f'<td class="verdict">{_judged(one.judgement, ())}</td></tr>'
    yield "</tbody></table></div>"
    speed = verdict.speed
    where = speed.instance_type or f"{speed.machine}, which is no instance type: a figure to compare, not a promise"
    yield f'<p class="quiet">Speed: {speed.requests:,} requests one after the other on {escape(where)}; '
    yield f"{speed.requests_per_second:,.1f} a second.</p>"


def _cost(verdict: Verdict) -> Iterator[str]:
    yield '<h2>Cost, planned again with what was measured</h2><div class="wide"><table><thead><tr>'
    yield '<th scope="col">plan</th><th scope="col">served by</th>'
    yield '<th scope="col" class="number">a month, US dollars</th>'
    yield '<th scope="col" class="number">were it always peak</th></tr></thead><tbody>'
    for name, word in (("before", "as declared"), ("measured", "as measured")):
        planned = mapping(verdict.plan.get(name))
        choice = mapping(planned.get("choice"))
        yield f'<tr><th scope="row">{word}</th>'
        if not choice:
            yield f'<td colspan="3">none: {escape(str(planned.get("refusal") or "not planned"))}</td></tr>'
            continue
        yield f"<td>{escape(str(choice['architecture']))}, {escape(str(choice['runs_on']))}</td>"
        yield f'<td class="number">{_money(choice, "average")}</td>'
        yield f'<td class="number">{_money(choice, "peak")}</td></tr>'
    ceiling = mapping(verdict.plan.get("measured")).get("monthly_cost_ceiling_usd", "unknown")
    yield f'</tbody></table></div><p class="quiet">Ceiling: {escape(str(ceiling))} US dollars a month.</p>'


def _money(choice: Any, which: str) -> str:
    cost = mapping(mapping(choice.get("monthly_cost")).get(which))
    unknown = cast(list[str], cost.get("unknown_prices") or [])
    more = f" and {len(unknown)} unknown" if unknown else ""
    return escape(f"{cost.get('usd', 'unknown')}{more}")
