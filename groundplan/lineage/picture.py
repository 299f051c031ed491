"""A family as a page: one file of HTML with a drawing in it, for a screen, a telephone, or paper.

Nothing is loaded and nothing runs. Kinds are told apart by words and shapes, the subject by a thick frame and a word.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from groundplan.lineage.family import Family, money, number, visible

MOST_NODES = 60
WIDTH, ROW, CARD, GAP = 400, 74, 58, 14  # of the drawing, a row, a card; between two lanes
NAME_WIDTH, FACT_WIDTH = 7, 6.1  # of a character in a card, on average
KINDS = {
    "workload": "Workload",
    "dataset": "Data set",
    "code": "Code",
    "environment": "Software",
    "run": "Training run",
    "model": "Model",
    "package": "Model package",
    "endpoint": "Endpoint",
}
# Drawn around (0, 0) in a square of 18.
SHAPES = {
    "workload": '<rect x="-7" y="-7" width="14" height="14"/>',
    "dataset": '<path d="M-7-5v10c0 4 14 4 14 0v-10"/><ellipse cy="-5" rx="7" ry="3"/>',
    "code": '<path d="M-3-6l-6 6 6 6M3-6l6 6-6 6"/>',
    "environment": '<path d="M0-8l7 4v8l-7 4-7-4v-8z"/>',
    "run": '<path d="M-5-7l12 7-12 7z"/>',
    "model": '<path d="M0-8l8 8-8 8-8-8z"/>',
    "package": '<path d="M-7-7h14v14h-14zM-7-2h14M0-7v5"/>',
    "endpoint": '<circle r="8"/><circle r="3"/>',
}
STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 72rem; margin: 0 auto;
  padding: 1rem; }
h1 { font-size: 1.35rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
p { margin: .25rem 0; } .quiet { color: #555; font-weight: 400; }
svg { display: block; width: 100%; max-width: 34rem; height: auto; }
.sides { display: grid; gap: 0 2.5rem; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 62rem) { .sides { grid-template-columns: minmax(0, 34rem) minmax(0, 1fr); } }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; padding: .75rem 0 .25rem; overflow-wrap: anywhere; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-top: 1px solid #d5d5d5; }
th { font-weight: 600; white-space: nowrap; } td { overflow-wrap: anywhere; }
code { font: .85em ui-monospace, monospace; }
.bar { display: block; height: .5rem; border: 1px solid #1a1a1a; background: #8aa4c8; box-sizing: border-box; }
@media print { body { padding: 0; font-size: 11pt; } table, .card { break-inside: avoid; } svg { max-width: 15cm; } }
"""


def picture(family: Family, runs: Sequence[Mapping[str, Any]], *, where: str) -> str:
    """The page. `runs` are those of `groundplan lineage --json`, `where` names the environment."""
    order = family.in_order(MOST_NODES)
    left_out = len(family.nodes) - len(order)
    more = f"{left_out} more are farther away; <code>--json</code> names them all." if left_out else ""
    kind, name = _split(family.subject)
    title = f"{kind.lower()} {name}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Lineage of {_text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>Lineage of {_text(title)}</h1>
<p class="quiet">{_text(where)}. {_counted(len(family.ancestors), "ancestor")},
{_counted(len(family.descendants), "descendant")}. Time runs downwards: each line leads from what was there first to
what was made of it. {more}</p>
<div class="sides">
<div>
<h2>The picture</h2>
{_drawing(family, order, title)}
</div>
<div>
<h2>The names in full</h2>
{_names(family, order)}
</div>
</div>
{"".join(_run(run) for run in runs[:MOST_NODES])}
</body>
</html>
"""


def _drawing(family: Family, order: Sequence[str], title: str) -> str:
    row = {node: at for at, node in enumerate(order)}
    targets = {
        upper: found
        for upper in order
        if (found := sorted(row[lower] for lower in family.below(upper) if row.get(lower, -1) > row[upper]))
    }
    lanes = _lanes({row[upper]: found[-1] for upper, found in targets.items()})
    gutter = 12 + GAP * (max(lanes.values(), default=-1) + 1) + 10
    lines = [_line(row[upper], found, lanes[row[upper]], gutter) for upper, found in targets.items()]
    cards = [_card(family, node, at, gutter) for at, node in enumerate(order)]
    return (
        f'<svg viewBox="0 0 {WIDTH} {ROW * len(order)}" role="img" aria-label="Lineage of {_text(title)}; the names '
        f'stand in the table" font-family="system-ui, sans-serif" fill="none" stroke="#1a1a1a">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0l8 4-8 4z" fill="#1a1a1a" stroke="none"/></marker></defs>'
        f"{''.join(lines)}{''.join(cards)}</svg>"
    )


def _lanes(spans: Mapping[int, int]) -> dict[int, int]:
    """First row of each line to its lane: 0 is nearest to the cards, and no two lines of a lane meet."""
    taken: list[list[tuple[int, int]]] = []
    lanes: dict[int, int] = {}
    for start, end in sorted(spans.items(), key=lambda span: (span[1] - span[0], span)):
        free = (at for at, others in enumerate(taken) if all(end < a or b < start for a, b in others))
        lane = next(free, len(taken))
        taken += [[]] * (lane == len(taken))
        taken[lane] = [*taken[lane], (start, end)]
        lanes[start] = lane
    return lanes


def _line(start: int, ends: Sequence[int], lane: int, gutter: int) -> str:
    """From the lower part of a card's left side down its lane, and into the upper part of what was made of it.

    Where lines meet, the corner is round; where they only cross, there is none.
    """
    x = gutter - 14 - GAP * lane
    top, bottom = start * ROW + GAP / 2 + CARD - 14, ends[-1] * ROW + GAP / 2 + 16
    path = f"M{gutter} {top:g}H{x + 6}q-6 0-6 6V{bottom - 6:g}q0 6 6 6H{gutter - 1}"
    branches = (f"M{x} {end * ROW + GAP / 2 + 10:g}q0 6 6 6H{gutter - 1}" for end in ends[:-1])
    return "".join(f'<path d="{each}" stroke-width="1.5" marker-end="url(#tip)"/>' for each in (*branches, path))


def _card(family: Family, node: str, at: int, gutter: int) -> str:
    kind, name = _split(node)
    own = node == family.subject
    facts = " · ".join(family.facts.get(node, ()))
    label = f"{kind} — this one" if own else kind
    shape = SHAPES.get(node.partition("/")[0], SHAPES["workload"])
    y = at * ROW + GAP / 2
    text = f'x="{gutter + 38}" fill="#1a1a1a" stroke="none"'
    return (
        f'<g class="card"><title>{_text(f"{kind} {name}")}</title>'
        f'<rect x="{gutter}" y="{y:g}" width="{WIDTH - gutter - 2}" height="{CARD}" rx="6" fill="#fff" '
        f'stroke-width="{3 if own else 1}"/>'
        f'<g transform="translate({gutter + 19} {y + CARD / 2:g})" stroke-width="1.6">{shape}</g>'
        f'<text {text} y="{y + 17:g}" font-size="12" font-weight="700">{_text(label)}</text>'
        f'<text {text} y="{y + 33:g}" font-size="11.5" font-family="ui-monospace, monospace">'
        f"{_text(_shortened(_core(name), _room(gutter, NAME_WIDTH)))}</text>"
        f'<text {text} y="{y + 49:g}" font-size="11">'
        f"{_text(_cut(facts, _room(gutter, FACT_WIDTH)))}</text></g>"
    )


def _room(gutter: int, width: float) -> int:
    """How many characters of a width a card has room for."""
    return max(12, int((WIDTH - gutter - 44) / width))


def _names(family: Family, order: Sequence[str]) -> str:
    distance = dict((*family.ancestors, *family.descendants))
    above = dict(family.ancestors)
    rows: list[str] = []
    for node in order:
        kind, name = _split(node)
        steps = distance.get(node, 0)
        where = "this one" if not steps else f"{_counted(steps, 'step')} {'before' if node in above else 'after'}"
        facts = "; ".join(family.facts.get(node, ()))
        rows.append(
            f'<tr><th scope="row">{_text(kind)}<br><span class="quiet">{where}</span></th>'
            f"<td><code>{_text(name)}</code>{'<br>' if facts else ''}{_text(facts)}</td></tr>"
        )
    return f"<table>{''.join(rows)}</table>"


def _run(run: Mapping[str, Any]) -> str:
    seconds = "{training_seconds} trained, {billable_seconds} billed".format(**run)
    facts = {
        "Status": f"{run['status']}. {run['failure_reason'] or ''}".rstrip(". ") + ".",
        "Cost": f"{money(run['cost_usd'])}: {run['cost_basis'] or 'not recorded'}",
        "Seconds": seconds if run["training_seconds"] is not None else "unknown",
        "Machine": f"{run['instance_count'] or '?'} x {run['instance_type'] or 'unknown'}"
        f"{', spot' if run['spot'] else ''}; interrupted {_counted(run['interruptions'], 'time')}",
        "Checkpoints": _checkpoints(run),
        "Advice": run["right_sizing"] or "none",
        "Forced": run["forced_reason"],
        "Hyper-parameters": ", ".join(f"{name} {value}" for name, value in sorted(run["hyperparameters"].items())),
        "Metrics": ", ".join(f"{name} {number(value)}" for name, value in run["metrics"].items()),
        "Record": run["record_uri"],
    }
    rows = (
        f'<tr><th scope="row">{name}</th><td>{_text(str(fact))}</td></tr>' for name, fact in facts.items() if fact
    )
    return (
        f"<h2>{_text(KINDS['run'])} {_text(run['name'])}</h2><table>{''.join(rows)}</table>"
        f"{_slices(run['metrics_by_slice'])}"
    )


def _checkpoints(run: Mapping[str, Any]) -> str:
    if run["checkpoints_saved"] is None:
        return "not recorded"
    step = run["resumed_from_step"]
    return f"{run['checkpoints_saved']} saved" + (f", resumed from step {step}" if step is not None else "")


def _slices(slices: Iterable[Mapping[str, Any]]) -> str:
    """A table for each metric; where all its values lie between 0 and 1, with bars."""
    tables: dict[str, list[tuple[str, Any]]] = {}
    for one in slices:
        of = ", ".join(f"{name} {value}" for name, value in sorted(one["slice"].items()))
        tables.setdefault(one["name"], []).append((of, one["value"]))
    return "".join(
        f"<table><caption>{_text(name)} by slice</caption>"
        + "".join(
            f'<tr><th scope="row">{_text(of)}</th><td>{_text(number(value))}</td><td style="width:55%">'
            + (f'<span class="bar" style="width:{100 * value:.1f}%"></span>' if _are_shares(found) else "")
            + "</td></tr>"
            for of, value in found
        )
        + "</table>"
        for name, found in tables.items()
    )


def _are_shares(values: Iterable[tuple[str, Any]]) -> bool:
    return all(value is not None and 0 <= value <= 1 for _, value in values)


def _split(node: str) -> tuple[str, str]:
    """The kind in words, and the name."""
    kind, _, name = node.partition("/")
    return KINDS.get(kind, kind), name


def _core(name: str) -> str:
    """What tells an artefact or a package from others; the rest is the same for all of them."""
    return name.removesuffix("/output/model.tar.gz").rpartition("/output/")[2].rpartition(":model-package/")[2]


def _counted(number_of: int, what: str) -> str:
    return f"{number_of} {what}{'' if number_of == 1 else 's'}"


def _shortened(name: str, longest: int) -> str:
    """Without its middle: what tells names apart stands at their ends."""
    if len(name) <= longest:
        return name
    end = (longest - 1) // 2
    return f"{name[: longest - 1 - end]}…{name[-end:]}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _text(text: str) -> str:
    """For HTML: nothing in it is markup."""
    return escape(visible(text))
