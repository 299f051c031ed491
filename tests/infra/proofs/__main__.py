"""`make proofs`: prints what the policies of an assembly prove, and fails when something does not hold."""

import json
import sys
from pathlib import Path

from groundplan.environment import read_environment
from groundplan.names import Names
from proofs.environment import read
from proofs.report import Report

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs/security.md"
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->"
MOST_SHOWN = 20


def main(folder: str, *options: str) -> int:
    """`folder` is an assembly of `prod`; `--json` prints for machines, `--write` renews docs/security.md."""
    report = Report(read(Names(read_environment(ROOT, "prod")), Path(folder)))
    if "--write" in options:
        head, _, rest = DOCUMENT.read_text().partition(BEGIN)
        DOCUMENT.write_text(head + BEGIN + report.table() + "\n" + END + rest.partition(END)[2])
    unexplained = [mutation for mutation, reason in report.survivors.items() if not reason]
    if "--json" in options:
        survivors = [{"mutation": mutation, "reason": reason} for mutation, reason in report.survivors.items()]
        kinds = [{"kind": kind, "assertions": count} for kind, count in report.kinds.items()]
        print(json.dumps(report.figures() | {"kinds": kinds, "broken": report.broken, "survivors": survivors}))
    else:
        _print(report)
    return 1 if report.broken or unexplained or report.unused_explanations else 0


def _print(report: Report) -> None:
    figures = report.figures()
    print(f"{figures['assertions']:>6}  assertions over the policies of prod, by kind:")
    for kind, count in report.kinds.items():
        print(f"{count:>6}    {kind}")
    print(f"{figures['assertions_allowed']:>6}  of them say what must be allowed")
    print(f"{figures['assertions_refused']:>6}  say what must be refused")
    print(f"{len(report.broken):>6}  do not hold")
    for broken in report.broken[:MOST_SHOWN]:
        print(f"          {broken}")
    print()
    print(f"{figures['mutations']:>6}  mutations of the policies, one mistake each")
    print(f"{figures['mutations_caught']:>6}  caught: {figures['mutations_caught_percent']} %")
    print(f"{figures['survivors']:>6}  not noticed, each with the reason why it is harmless:")
    for mutation, reason in report.survivors.items():
        print(f"          {mutation}")
        print(f"            {reason or 'NOT EXPLAINED: add an assertion that notices it, or a reason'}")
    for pattern in report.unused_explanations:
        print(f"          this explanation has no survivor any more, remove it: {pattern}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
