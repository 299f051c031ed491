"""Tells what small grey images show: a neural network of one hidden layer, epoch by epoch.

By hand: `python train.py --epochs 5 --train FOLDER --validation FOLDER --model-dir FOLDER`.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier

from groundplan_training import Run

CLASSES = np.arange(10)


def main(given: argparse.Namespace) -> None:
    """Train to the end, from the last checkpoint if there is one, and write the model."""
    images, labels = read(given.train)
    shuffle = np.random.RandomState(given.seed)
    model: Any = MLPClassifier((given.hidden_units,), learning_rate_init=given.learning_rate, random_state=given.seed)
    # What a checkpoint keeps, each by itself: an interrupted run ends as one that is not.
    run = Run({"model": model, "shuffle": shuffle}, every_steps=5)
    for epoch in run.steps(given.epochs):
        order = shuffle.permutation(len(labels))
        model.partial_fit(images[order], labels[order], classes=CLASSES)
        if (epoch + 1) % 5 == 0:
            run.metric("loss", model.loss_)

    seen, truth = read(given.validation)
    right = model.predict(seen) == truth
    run.metric("accuracy", right.mean())
    for label in CLASSES:
        run.metric("accuracy", right[truth == label].mean(), slice={"class": label})
    # Plain arrays: nothing that runs when it is loaded, and the same bytes each time.
    parts: dict[str, Any] = {f"weights_{layer}": weights for layer, weights in enumerate(model.coefs_)}
    parts |= {f"biases_{layer}": biases for layer, biases in enumerate(model.intercepts_)}
    np.savez(given.model_dir / "model.npz", **parts)


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Grey values scaled to 0..1, and what each image shows."""
    files = sorted(folder.glob("*.csv"))
    rows = np.concatenate([np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2) for file in files])
    return rows[:, 1:] / 16, rows[:, 0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--hidden-units", "--hidden_units", type=int, default=64)
    parser.add_argument("--learning-rate", "--learning_rate", type=float, default=0.002)
    parser.add_argument("--seed", type=int, default=7)
    for name, folder in (("train", "SM_CHANNEL_TRAIN"), ("validation", "SM_CHANNEL_VALIDATION")):
        parser.add_argument(f"--{name}", type=Path, default=os.environ.get(folder))
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR"))
    main(parser.parse_args())
