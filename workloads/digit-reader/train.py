"""Trains a small neural network to read a digit, under SageMaker's container contract.

Hyper-parameters come from `input/config/hyperparameters.json`, images from the channels `train` and `validation`,
the model goes to `model/`, and after each epoch a checkpoint to `checkpoints/`. A run that was interrupted goes on
from its last checkpoint, and ends with the very numbers of a run that was not: the network, the optimiser's state
and the random numbers are all in the checkpoint.
"""

import json
import os
import pickle
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
from sklearn.neural_network import MLPClassifier

DIGITS = np.arange(10)
REPORT_EVERY = 10  # epochs
Images = tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.int64]]]


@dataclass(frozen=True)
class HyperParameters:
    """What the run may vary."""

    epochs: int
    hidden_units: int
    learning_rate: float
    batch_size: int
    seed: int

    @classmethod
    def read(cls, path: Path) -> "HyperParameters":
        """From the file SageMaker writes: every value is a string. Raises ValueError, naming the parameter."""
        given: dict[str, str] = json.loads(path.read_text())
        values: dict[str, Any] = {}
        for field in fields(cls):
            kind = cast(type, field.type)
            try:
                values[field.name] = kind(json.loads(given[field.name]))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"hyper-parameter {field.name}: {kind.__name__} expected, got {error}") from error
        return cls(**values)


def read_images(folder: Path) -> Images:
    """Grey values scaled to 0..1, shape (n, 64), and digits, shape (n,)."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise ValueError(f"no .csv file in {folder}")
    rows = np.concatenate([np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2) for file in files])
    return rows[:, 1:] / 16.0, rows[:, 0]


class Checkpoints:
    """The newest checkpoint of a run, replaced as a whole so that a kill leaves the one before."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "checkpoint.pickle"

    def load(self) -> tuple[int, MLPClassifier, np.random.RandomState] | None:
        """Epochs done, network and random numbers; None when there is none yet."""
        # The file is this run's own, from a prefix that only its role can write.
        return pickle.loads(self._path.read_bytes()) if self._path.exists() else None  # noqa: S301

    def save(self, epoch: int, network: MLPClassifier, shuffle: np.random.RandomState) -> None:
        """Write beside, flush to the disk, then rename."""
        draft = self._path.with_suffix(".tmp")
        with draft.open("wb") as file:
            file.write(pickle.dumps((epoch, network, shuffle)))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


def train(base: Path) -> None:
    """Train to the end, from the last checkpoint if there is one."""
    parameters = HyperParameters.read(base / "input/config/hyperparameters.json")
    images, digits = read_images(base / "input/data/train")
    validation = read_images(base / "input/data/validation")
    checkpoints = Checkpoints(base / "checkpoints")

    network: Any  # scikit-learn's own annotations are partial
    start, network, shuffle = checkpoints.load() or (
        0,
        cast(Any, MLPClassifier)(
            hidden_layer_sizes=(parameters.hidden_units,),
            learning_rate_init=parameters.learning_rate,
            batch_size=parameters.batch_size,
            random_state=np.random.RandomState(parameters.seed),
        ),
        np.random.RandomState(parameters.seed),
    )
    print(f"resumed after epoch {start}" if start else "started from nothing", flush=True)
    for epoch in range(start + 1, parameters.epochs + 1):
        order = shuffle.permutation(len(digits))
        network.partial_fit(images[order], digits[order], classes=DIGITS)
        checkpoints.save(epoch, network, shuffle)
        if epoch % REPORT_EVERY == 0 or epoch == parameters.epochs:
            print(f"epoch {epoch}/{parameters.epochs} training loss={network.loss_:.6f}", flush=True)

    report(network, validation)
    write_model(base / "model", network)


def write_model(folder: Path, network: Any) -> None:
    """The weights as plain arrays, `network.npz`: nothing that runs when loaded, and the same bytes each time."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"weights_{layer}": weights for layer, weights in enumerate(network.coefs_)}
    arrays |= {f"biases_{layer}": biases for layer, biases in enumerate(network.intercepts_)}
    np.savez(folder / "network.npz", **arrays)


def report(network: MLPClassifier, validation: Images) -> None:
    """Print accuracy over all and by digit; these lines are the run's metrics."""
    images, digits = validation
    right = cast(Any, network).predict(images) == digits
    print(f"validation accuracy={right.mean():.6f}")
    for digit in DIGITS:
        print(f"digit {digit} accuracy={right[digits == digit].mean():.6f}")


if __name__ == "__main__":
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    try:
        train(base)
    except Exception as error:
        # SageMaker shows this file's text as the job's FailureReason.
        (base / "output").mkdir(parents=True, exist_ok=True)
        (base / "output/failure").write_text(f"{type(error).__name__}: {error}")
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    sys.exit(0)
