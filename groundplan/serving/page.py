"""The tables of docs/serving.md, from the code: `python -m groundplan.serving.page docs/serving.md` renews them."""

import sys
from pathlib import Path

from groundplan.serving.neuron import IMAGES, MACHINES
from groundplan.serving.offers import FEATURES, MODES, OFFERS
from groundplan.serving.rules import RULES

BEGIN, END = "<!-- tables: written by make pages -->", "<!-- end of tables -->"


def tables() -> str:
    """Offers with their sources, refusals, and Inferentia2's machines and images."""
    lines = ["| | " + " | ".join(MODES) + " |", "|---|" + "---|" * len(MODES)]
    for feature in FEATURES:
        cells = (f"[{OFFERS[mode][feature].says}]({OFFERS[mode][feature].source})" for mode in MODES)
        lines.append(f"| {feature} | " + " | ".join(cells) + " |")
    lines += ["", "**What AWS refuses and schemas let pass** fails synthesis, with the remedy:", ""]
    lines += ["| rule | what must hold | remedy | source |", "|---|---|---|---|"]
    for rule in RULES:
        sources = ", ".join(f"[{index}]({url})" for index, url in enumerate(rule.source.split(), 1))
        lines.append(f"| `{rule.name}` | {rule.says} | {rule.remedy} | {sources} |")
    lines += [
        "",
        "**Inferentia2**",
        "",
        "| machine | NeuronCores | accelerators, GiB | host, GiB |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {one.cores} | {one.accelerator_gib} | {one.host_gib} |" for name, one in MACHINES.items()]
    lines += ["", "| image | Neuron SDK | regions | source |", "|---|---|---|---|"]
    lines += [
        f"| `{image.repository}:{image.tag}` | {image.neuron_sdk} | {', '.join(image.regions)} | "
        f"[1]({image.source}) |"
        for image in IMAGES
    ]
    return "\n".join(lines) + "\n"


def renewed(page: str) -> str:
    """A page with what stands between the two marks written anew."""
    head, _, rest = page.partition(BEGIN)
    _, mark, tail = rest.partition(END)
    if not mark:
        raise ValueError(f"the page must hold {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{tables()}\n{END}{tail}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text()))
