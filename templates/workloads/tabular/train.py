"""Tells a malignant tumour from a benign one: logistic regression over the columns of a table, epoch by epoch.

By hand: `python train.py --epochs 5 --train FOLDER --validation FOLDER --model-dir FOLDER`.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from groundplan_training import Run


def main(given: argparse.Namespace) -> None:
    """Train to the end, from the last checkpoint if there is one, and write the model."""
    x, y = read(given.train)
    scaler: Any = StandardScaler().fit(x)
    x = scaler.transform(x)
    shuffle = np.random.RandomState(given.seed)
    model: Any = SGDClassifier(loss="log_loss", alpha=given.alpha, random_state=given.seed)
    # What a checkpoint keeps, each by itself: an interrupted run ends as one that is not.
    run = Run({"model": model, "shuffle": shuffle}, every_steps=5)
    for epoch in run.steps(given.epochs):
        order = shuffle.permutation(len(y))
        model.partial_fit(x[order], y[order], classes=[0, 1])
        if (epoch + 1) % 5 == 0:
            run.metric("loss", log_loss(y, model.predict_proba(x)))

    rows, truth = read(given.validation)
    right = model.predict(scaler.transform(rows)) == truth
    large = rows[:, 0] > np.median(rows[:, 0])  # by the mean radius
    run.metric("accuracy", right.mean())
    run.metric("accuracy", right[large].mean(), slice={"tumour": "large"})
    run.metric("accuracy", right[~large].mean(), slice={"tumour": "small"})
    # Plain arrays: nothing that runs when it is loaded, and the same bytes each time.
    scaling = {"mean": scaler.mean_, "scale": scaler.scale_}
    np.savez(given.model_dir / "model.npz", weights=model.coef_, bias=model.intercept_, **scaling)


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The columns of every file, and the first one, which is the answer."""
    files = sorted(folder.glob("*.csv"))
    rows = np.concatenate([np.loadtxt(file, delimiter=",", skiprows=1, ndmin=2) for file in files])
    return rows[:, 1:], rows[:, 0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--alpha", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=7)
    for name, folder in (("train", "SM_CHANNEL_TRAIN"), ("validation", "SM_CHANNEL_VALIDATION")):
        parser.add_argument(f"--{name}", type=Path, default=os.environ.get(folder))
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR"))
    main(parser.parse_args())
