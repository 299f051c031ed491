"""Says which team a message is for: words weighted by TF-IDF, and logistic regression over them, epoch by epoch.

By hand: `python train.py --epochs 5 --train FOLDER --validation FOLDER --model-dir FOLDER`.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

from groundplan_training import Run


def main(given: argparse.Namespace) -> None:
    """Train to the end, from the last checkpoint if there is one, and write the model."""
    teams, _, texts = read(given.train)
    words: Any = TfidfVectorizer(max_features=given.vocabulary).fit(texts)
    x, classes = words.transform(texts), np.unique(teams)
    shuffle = np.random.RandomState(given.seed)
    model: Any = SGDClassifier(loss="log_loss", alpha=given.alpha, random_state=given.seed)
    # What a checkpoint keeps, each by itself: an interrupted run ends as one that is not.
    run = Run({"model": model, "shuffle": shuffle}, every_steps=5)
    for epoch in run.steps(given.epochs):
        order = shuffle.permutation(len(teams))
        model.partial_fit(x[order], teams[order], classes=classes)
        if (epoch + 1) % 5 == 0:
            run.metric("loss", log_loss(teams, model.predict_proba(x)))

    truth, channels, seen = read(given.validation)
    right = model.predict(words.transform(seen)) == truth
    run.metric("accuracy", right.mean())
    for channel in np.unique(channels):
        run.metric("accuracy", right[channels == channel].mean(), slice={"channel": channel})
    # Plain arrays: nothing that runs when it is loaded, and the same bytes each time.
    known: dict[str, Any] = {"vocabulary": words.get_feature_names_out().astype(str), "idf": words.idf_}
    np.savez(given.model_dir / "model.npz", classes=classes, weights=model.coef_, bias=model.intercept_, **known)


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Team, channel and text of every message."""
    lines = [line for file in sorted(folder.glob("*.tsv")) for line in file.read_text("utf-8").splitlines()]
    teams, channels, texts = zip(*(line.split("\t", 2) for line in lines), strict=True)
    return np.array(teams), np.array(channels), np.array(texts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--alpha", type=float, default=0.0001)
    parser.add_argument("--vocabulary", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=7)
    for name, folder in (("train", "SM_CHANNEL_TRAIN"), ("validation", "SM_CHANNEL_VALIDATION")):
        parser.add_argument(f"--{name}", type=Path, default=os.environ.get(folder))
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR"))
    main(parser.parse_args())
