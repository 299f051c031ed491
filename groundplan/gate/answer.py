"""Answers the requests of a held-out set with a model's own inference functions, and measures how long each takes.

Run as a script by the Python of the model's environment, which need hold nothing of Groundplan's:
`python answer.py INFERENCE_FILE MODEL_FOLDER CONTENT_TYPE < requests > answers`. A request and an answer are one JSON
text a line; an answer is null where the request failed. The last line is `{"milliseconds": [...], "errors": [...]}`.
"""

import importlib.util
import json
import os
import sys
import time
from typing import Any, cast

WARM_UP_REQUESTS = 3
MOST_ERRORS_SHOWN = 5


def load(path: str) -> Any:
    """The module of an inference file, with the files beside it within reach of its imports."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))  # noqa: PTH100, PTH120
    spec = importlib.util.spec_from_file_location("inference", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(inference: Any, model: Any, request: str, content_type: str) -> str:
    """The body of one response."""
    prediction = inference.predict_fn(inference.input_fn(request, content_type), model)
    given: object = inference.output_fn(prediction, content_type)
    if isinstance(given, tuple):  # with its content type
        given = cast(tuple[object, ...], given)[0]
    return given.decode("utf-8") if isinstance(given, bytes) else str(given)


def main(inference_file: str, model_folder: str, content_type: str) -> None:
    """Answer every line of standard input."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the model prints is no answer
    inference = load(inference_file)
    model = inference.model_fn(model_folder)
    milliseconds: list[float] = []
    errors: list[str] = []
    for place, line in enumerate(sys.stdin):
        request: str = json.loads(line)
        body: str | None = None
        try:
            for _ in range(WARM_UP_REQUESTS if place == 0 else 0):
                answer(inference, model, request, content_type)
            began = time.perf_counter()
            body = answer(inference, model, request, content_type)
            milliseconds.append((time.perf_counter() - began) * 1000)
        except Exception as error:
            errors.append(f"sample {place + 1}: {type(error).__name__}: {error}")
        answers.write(json.dumps(body) + "\n")
    answers.write(json.dumps({"milliseconds": milliseconds, "errors": errors[:MOST_ERRORS_SHOWN]}) + "\n")
    answers.close()


if __name__ == "__main__":
    main(*sys.argv[1:4])
