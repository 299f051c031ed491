"""Writes the handwritten digits of scikit-learn as CSV files: `python data.py FOLDER`.

One line an image: the digit, then 64 grey values from 0 (white) to 16 (black). 1,797 images, every fifth for
validation. Source: UCI, Optical Recognition of Handwritten Digits. Put your own images in their place.
"""

import sys
from pathlib import Path
from typing import Any, cast

from sklearn.datasets import load_digits


def main(folder: Path) -> None:
    """Write `train/images.csv` and `validation/images.csv` below `folder`."""
    digits = cast(Any, load_digits())
    images = [
        ",".join(str(int(value)) for value in (label, *pixels))
        for label, pixels in zip(digits.target, digits.data, strict=True)
    ]
    channels = {"validation": images[::5], "train": [image for at, image in enumerate(images) if at % 5]}
    for channel, lines in channels.items():
        (folder / channel).mkdir(parents=True, exist_ok=True)
        (folder / channel / "images.csv").write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
