"""Writes the handwritten digits of scikit-learn as CSV files: `python data.py FOLDER`.

One line an image: the digit, then 64 grey values from 0 (white) to 16 (black). 1,797 images, split once and
for all by position: of five images the first is for validation, and the third is held out of training altogether.
Source: UCI, Optical Recognition of Handwritten Digits.
"""

import json
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
from sklearn.datasets import load_digits

IMAGES_A_FILE = 500


def main(folder: Path) -> None:
    """Write `train/part-N.csv`, `validation/part-N.csv` and `held-out/samples.jsonl` below `folder`."""
    digits = cast(Any, load_digits())
    lines = [
        ",".join(str(int(value)) for value in (label, *pixels))
        for label, pixels in zip(digits.target, digits.data, strict=True)
    ]
    train = [line for index, line in enumerate(lines) if index % 5 not in (0, 2)]
    for channel, content in (("train", train), ("validation", lines[::5])):
        (folder / channel).mkdir(parents=True, exist_ok=True)
        for part, start in enumerate(range(0, len(content), IMAGES_A_FILE)):
            text = "\n".join(content[start : start + IMAGES_A_FILE]) + "\n"
            (folder / channel / f"part-{part}.csv").write_text(text, encoding="ascii")
    means = mean_images(train)
    (folder / "held-out").mkdir(parents=True, exist_ok=True)
    samples = [json.dumps(held_out(line, means)) for line in lines[2::5]]
    (folder / "held-out/samples.jsonl").write_text("\n".join(samples) + "\n", encoding="ascii")


def held_out(line: str, means: Any) -> dict[str, Any]:
    """A sample for the gate: request, true answer, slice, the line itself, and what the simple rule answers."""
    digit, _, pixels = line.partition(",")
    distances = np.linalg.norm(means - np.array(pixels.split(","), dtype=np.float64), axis=1)
    rule = str(distances.argmin())
    return {"request": pixels, "expected": digit, "slices": {"digit": digit}, "row": line, "baseline": rule}


def mean_images(train: list[str]) -> Any:
    """Of each digit, shape (10, 64). The rule that a network has to beat takes the digit whose mean is nearest."""
    rows = np.array([line.split(",") for line in train], dtype=np.float64)
    return np.stack([rows[rows[:, 0] == digit, 1:].mean(axis=0) for digit in range(10)])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
