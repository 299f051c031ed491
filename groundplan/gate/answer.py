"""Answers the requests of a held-out set as an endpoint of the model would, and measures how long each takes.

Run as a script by the Python of the model's environment, which need hold nothing of Groundplan's, as the one script
of a training job: `python answer.py /opt/ml CONTENT_TYPE`. Below that folder, `input/data` has the channels `code`,
`model` (with model.tar.gz, and in it code/inference.py) and `requests` (with requests.jsonl, one JSON text a line).
What becomes the job's model is `answers.jsonl`: one JSON text a line, null where a request failed, and last a report
of what was run on what: `schema`, sha256 of `model`, `requests` and of each file of `code`, `milliseconds`, `errors`.
The true answers are nowhere near.
"""

import hashlib
import importlib.util
import json
import shutil
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any, cast

SCHEMA = "groundplan.answers/1"
SCRIPT = "answer.py"
INFERENCE = "inference.py"
MODEL = "model.tar.gz"
REQUESTS = "requests.jsonl"
ANSWERS = "answers.jsonl"
WARM_UP_REQUESTS = 3
MOST_ERRORS_SHOWN = 5
LARGEST_MODEL_BYTES = 20 * 2**30
CHUNK_BYTES = 2**20


def sha256_of(path: Path) -> str:
    """Of a file, as 64 hex digits."""
    made_of = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            made_of.update(chunk)
    return made_of.hexdigest()


def unpack(archive: Path, target: Path) -> None:
    """Files and folders below the target, nothing else; Python before 3.11.4 has no filter that would see to it.

    Raises ValueError for an archive that holds anything else, or too much.
    """
    with tarfile.open(archive) as tar:
        if sum(member.size for member in tar.getmembers()) > LARGEST_MODEL_BYTES:
            raise ValueError(f"the model has more than {LARGEST_MODEL_BYTES} bytes unpacked")
        for member in tar:
            path = (target / member.name).resolve()
            if not path.is_relative_to(target.resolve()) or not (member.isfile() or member.isdir()):
                raise ValueError(f"the model: {member.name} is no file or folder below the archive's own")
            content = tar.extractfile(member)
            if content is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)
            path.chmod(0o644 | member.mode & 0o111)


def served(model: Path) -> Path:
    """The inference file that an endpoint answers with: the archive's own, whatever lies in the workload's code."""
    for file in (model / "code" / INFERENCE, model / INFERENCE):
        if file.is_file():
            return file
    raise ValueError(f"the model: no endpoint can answer with it, as it holds no code/{INFERENCE}; train.py packs it")


def load(file: Path) -> Any:
    """The module of an inference file, with the files beside it within reach of its imports."""
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location("inference", file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file.name} is no Python file")
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


def main(base: Path, content_type: str) -> None:
    """Answer every line of the channel `requests`."""
    data, target = base / "input" / "data", base / "model" / ANSWERS
    code, archive, requests = data / "code", data / "model" / MODEL, data / "requests" / REQUESTS
    # Before anything of the model's own runs.
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "code": {
            path.relative_to(code).as_posix(): sha256_of(path) for path in sorted(code.rglob("*")) if path.is_file()
        },
        "model": sha256_of(archive),
        "requests": sha256_of(requests),
    }
    milliseconds: list[float] = []
    errors: list[str] = []
    with tempfile.TemporaryDirectory() as folder, requests.open(encoding="utf-8") as asked:
        unpack(archive, Path(folder))
        inference = load(served(Path(folder)))
        model = inference.model_fn(folder)
        with target.open("w", encoding="utf-8") as answers:
            for place, line in enumerate(asked):
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
            report |= {"milliseconds": milliseconds, "errors": errors[:MOST_ERRORS_SHOWN]}
            answers.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except Exception as error:
        # SageMaker shows the file's first 1,024 characters as the reason.
        Path(sys.argv[1], "output", "failure").write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        raise
