"""Logistic regression in plain NumPy, as somebody wrote it who knows nothing of the platform."""

import os
from pathlib import Path

import numpy as np

from groundplan_training import Run


def main() -> None:
    steps = int(os.environ.get("SM_HP_STEPS", "40"))
    rng = np.random.default_rng(3)
    features = rng.normal(size=(400, 300))
    labels = (features[:, 0] + 0.3 * rng.normal(size=400) > 0).astype(float)
    weights = np.zeros(300)
    memory = np.zeros((300, 300))
    run = Run({"weights": weights, "memory": memory, "rng": rng}, every_steps=2)
    for _ in run.steps(steps):
        batch = rng.choice(400, 64)
        chances = 1 / (1 + np.exp(-features[batch] @ weights))
        gradient = features[batch].T @ (chances - labels[batch]) / 64
        memory += np.outer(gradient, gradient)
        weights -= gradient / np.sqrt(1e-8 + np.diag(memory))
        run.metric("length", float(np.linalg.norm(weights)))
    np.savez(Path(os.environ.get("SM_MODEL_DIR", ".")) / "weights.npz", weights=weights)


if __name__ == "__main__":
    main()
