"""Writes the biopsies of scikit-learn as CSV files: `python data.py FOLDER`.

One line a tumour: 1 for malignant, then thirty measurements of its cells. 569 of them, every fifth for validation.
Source: UCI, Breast Cancer Wisconsin (Diagnostic). Put your own export in its place.
"""

import sys
from pathlib import Path
from typing import Any, cast

from sklearn.datasets import load_breast_cancer


def main(folder: Path) -> None:
    """Write `train/rows.csv` and `validation/rows.csv` below `folder`."""
    biopsies = cast(Any, load_breast_cancer())
    header = ",".join(["malignant", *(str(name).replace(" ", "_") for name in biopsies.feature_names)])
    rows = [
        ",".join([str(1 - int(benign)), *(repr(float(value)) for value in measured)])
        for benign, measured in zip(biopsies.target, biopsies.data, strict=True)
    ]
    channels = {"validation": rows[::5], "train": [row for at, row in enumerate(rows) if at % 5]}
    for channel, lines in channels.items():
        (folder / channel).mkdir(parents=True, exist_ok=True)
        (folder / channel / "rows.csv").write_text("\n".join([header, *lines]) + "\n", encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
