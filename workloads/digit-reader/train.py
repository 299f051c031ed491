"""Trains a small neural network to read a digit: an ordinary script, with SageMaker's arguments and folders.

A run that was interrupted goes on from its last checkpoint, and ends with the very numbers of a run that was not.
"""

import argparse
import os
import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
from sklearn.neural_network import MLPClassifier

from groundplan_training import Run

DIGITS = np.arange(10)
REPORT_EVERY = 10  # epochs
Images = tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.int64]]]


def read_images(folder: str) -> Images:
    """Grey values scaled to 0..1, shape (n, 64), and digits, shape (n,)."""
    files = sorted(Path(folder).glob("*.csv"))
    if not files:
        raise SystemExit(f"no .csv file in {folder}")
    rows = np.concatenate([np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2) for file in files])
    return rows[:, 1:] / 16.0, rows[:, 0]


def train(given: argparse.Namespace) -> None:
    """Train to the end, report by digit, write the model."""
    images, digits = read_images(given.train)
    network = cast(Any, MLPClassifier)(  # scikit-learn's own annotations are partial
        hidden_layer_sizes=(given.hidden_units,),
        learning_rate_init=given.learning_rate,
        batch_size=given.batch_size,
        random_state=np.random.RandomState(given.seed),
    )
    shuffle = np.random.RandomState(given.seed)
    run = Run({"network": network, "shuffle": shuffle}, every_steps=1)
    for epoch in run.steps(given.epochs):
        order = shuffle.permutation(len(digits))
        network.partial_fit(images[order], digits[order], classes=DIGITS)
        if (epoch + 1) % REPORT_EVERY == 0:
            run.metric("loss", network.loss_)

    images, digits = read_images(given.validation)
    right = network.predict(images) == digits
    run.metric("accuracy", right.mean())
    for digit in DIGITS:
        run.metric("accuracy", right[digits == digit].mean(), slice={"digit": digit})
    write_model(Path(given.model_dir), network)


def write_model(folder: Path, network: Any) -> None:
    """The weights as plain arrays, `network.npz`: nothing that runs when loaded, and the same bytes each time."""
    arrays = {f"weights_{layer}": weights for layer, weights in enumerate(network.coefs_)}
    arrays |= {f"biases_{layer}": biases for layer, biases in enumerate(network.intercepts_)}
    np.savez(folder / "network.npz", **arrays)
    # An endpoint unpacks the archive and answers with what lies here.
    (folder / "code").mkdir(exist_ok=True)
    shutil.copyfile(Path(__file__).with_name("inference.py"), folder / "code/inference.py")


def arguments() -> argparse.Namespace:
    """The hyper-parameters as SageMaker hands them over, and the folders as its variables name them."""
    words = argparse.ArgumentParser()
    words.add_argument("--epochs", type=int, required=True)
    words.add_argument("--hidden_units", type=int, required=True)
    words.add_argument("--learning_rate", type=float, required=True)
    words.add_argument("--batch_size", type=int, required=True)
    words.add_argument("--seed", type=int, required=True)
    words.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    words.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    words.add_argument("--model_dir", default=os.environ.get("SM_MODEL_DIR"))
    return words.parse_args()


if __name__ == "__main__":
    train(arguments())
