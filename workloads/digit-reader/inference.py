"""Answers requests with a trained network, by the four functions of SageMaker's inference containers.

A request is CSV, one image a line: 64 grey values from 0 (white) to 16 (black). The answer is CSV, one digit a line.
"""

from pathlib import Path
from typing import Any

import numpy as np

CONTENT_TYPE = "text/csv"
PIXELS = 64
Layers = list[tuple[Any, Any]]


def model_fn(model_dir: str) -> Layers:
    """Weights and biases, layer by layer."""
    arrays = np.load(Path(model_dir) / "network.npz", allow_pickle=False)
    count = len(arrays.files) // 2
    return [(arrays[f"weights_{layer}"], arrays[f"biases_{layer}"]) for layer in range(count)]


def input_fn(body: str | bytes, content_type: str) -> Any:
    """Grey values scaled to 0..1, shape (n, 64). Raises ValueError, saying what a request holds."""
    if content_type.partition(";")[0].strip() != CONTENT_TYPE:
        raise ValueError(f"content type {content_type!r}: allowed: {CONTENT_TYPE}")
    text = body.decode("utf-8") if isinstance(body, bytes) else body
    rows = [[float(value) for value in line.split(",")] for line in text.strip().splitlines()]
    if not rows or any(len(row) != PIXELS for row in rows):
        raise ValueError(f"a request holds lines of {PIXELS} numbers")
    images = np.array(rows)
    if not np.isfinite(images).all() or images.min() < 0 or images.max() > 16:
        raise ValueError("grey values lie between 0 and 16")
    return images / 16.0


def predict_fn(images: Any, layers: Layers) -> Any:
    """The likeliest digit of each image: rectified layers, then the largest of the last."""
    for weights, biases in layers[:-1]:
        images = np.maximum(images @ weights + biases, 0)
    weights, biases = layers[-1]
    scores = images @ weights + biases
    if not np.isfinite(scores).all():
        raise ValueError("the network answers with numbers that are not finite")
    return scores.argmax(axis=1)


def output_fn(digits: Any, accept: str) -> tuple[str, str]:
    """One digit a line, and its content type."""
    if not any(kind in accept for kind in (CONTENT_TYPE, "text/*", "*/*")):
        raise ValueError(f"accept {accept!r}: allowed: {CONTENT_TYPE}")
    return "".join(f"{digit}\n" for digit in digits), CONTENT_TYPE
