"""Writes the handwritten digits of scikit-learn as CSV files: `python data.py FOLDER`.

One line an image: the digit, then 64 grey values from 0 (white) to 16 (black). 1,797 images, split once and
for all by position: every fifth image is for validation. Source: UCI, Optical Recognition of Handwritten Digits.
"""

import sys
from pathlib import Path
from typing import Any, cast

from sklearn.datasets import load_digits

IMAGES_A_FILE = 500


def main(folder: Path) -> None:
    """Write `train/part-N.csv` and `validation/part-N.csv` below `folder`."""
    digits = cast(Any, load_digits())
    lines = [
        ",".join(str(int(value)) for value in (label, *pixels))
        for label, pixels in zip(digits.target, digits.data, strict=True)
    ]
    validation = lines[::5]
    train = [line for index, line in enumerate(lines) if index % 5]
    for channel, content in (("train", train), ("validation", validation)):
        (folder / channel).mkdir(parents=True, exist_ok=True)
        for part, start in enumerate(range(0, len(content), IMAGES_A_FILE)):
            text = "\n".join(content[start : start + IMAGES_A_FILE]) + "\n"
            (folder / channel / f"part-{part}.csv").write_text(text, encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
