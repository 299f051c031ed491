"""The page of the planner's rules, from the rules: `python -m groundplan.planner.rules_page` prints it."""

from groundplan.planner.rules import RULES


def rules_page() -> str:
    """`docs/planner-rules.md`."""
    lines = [
        "# The planner's rules",
        "",
        "Written by `make pages` from `groundplan/planner/rules.py`. One that is broken bars an option,",
        "and the plan says which one. Rules whose source is `drivers` are what the workload itself asks for.",
        "",
        "| rule | says | source |",
        "|---|---|---|",
    ]
    for rule in RULES:
        sources = "<br>".join(f"<{one}>" if one.startswith("https:") else f"`{one}`" for one in rule.source.split())
        lines.append(f"| `{rule.name}` | {rule.says} | {sources} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(rules_page(), end="")
