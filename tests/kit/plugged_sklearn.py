"""A scikit-learn model that learns in portions, as somebody wrote it who knows nothing of the platform."""

import argparse
import os
from pathlib import Path
from typing import Any, cast

import joblib
import numpy as np
from sklearn.datasets import make_classification
from sklearn.linear_model import SGDClassifier

from groundplan_training import Run


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--steps", type=int, default=40)
    given = words.parse_args()
    features, labels = cast(Any, make_classification)(n_samples=2000, n_features=20, random_state=5)
    model: Any = SGDClassifier(loss="log_loss", random_state=5)
    run = Run({"model": model}, every_steps=2)
    for _ in run.steps(given.steps):
        batch = np.random.permutation(len(labels))[:256]
        model.partial_fit(features[batch], labels[batch], classes=[0, 1])
    run.metric("accuracy", model.score(features, labels))
    for label in (0, 1):
        run.metric(
            "accuracy", model.score(features[labels == label], labels[labels == label]), slice={"label": label}
        )
    joblib.dump(model, Path(os.environ.get("SM_MODEL_DIR", ".")) / "model.joblib")


if __name__ == "__main__":
    np.random.seed(5)
    main()
