"""Runs a model's inference script: `python model_server.py FOLDER`. Its own process, with the standard library only.

The script is `code/inference.py` or `inference.py` of the unpacked archive and has `model_fn(model_dir)` and
`predict_fn(data, model)`; `input_fn(body, content_type)` and `output_fn(prediction, accept)` are optional, and read
and write JSON where they are missing. Source: https://github.com/aws/sagemaker-inference-toolkit

Over standard input and output, a frame is the length of a JSON header and of a body (two big-endian integers of four
bytes), then both. The first frame out says that the model is loaded, or why it is not.
"""

import importlib.util
import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

JSON = "application/json"


class UnsupportedTypeError(Exception):
    """A content type or an accept type that nothing here reads or writes."""


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Header and body; None at the end."""
    sizes = stream.read(8)
    if len(sizes) < 8:
        return None
    header, body = struct.unpack(">II", sizes)
    return json.loads(stream.read(header)), stream.read(body)


def write_frame(stream: IO[bytes], header: dict[str, Any], body: bytes = b"") -> None:
    """Header and body."""
    text = json.dumps(header).encode()
    stream.write(struct.pack(">II", len(text), len(body)) + text + body)
    stream.flush()


def _input(body: bytes, content_type: str) -> Any:
    if content_type.partition(";")[0] != JSON:
        raise UnsupportedTypeError(f"content type {content_type} is not supported; allowed: {JSON}")
    return json.loads(body)


def _output(prediction: Any, accept: str) -> bytes:
    if accept not in (JSON, "*/*"):
        raise UnsupportedTypeError(f"accept type {accept} is not supported; allowed: {JSON}")
    return json.dumps(prediction).encode()


def _load(folder: Path) -> Callable[[bytes, str, str], tuple[bytes, str]]:
    found = [path for path in (folder / "code/inference.py", folder / "inference.py") if path.is_file()]
    if not found:
        raise FileNotFoundError("the archive has no inference code: neither code/inference.py nor inference.py")
    sys.path.insert(0, str(found[0].parent))
    specification = importlib.util.spec_from_file_location("inference", found[0])
    if specification is None or specification.loader is None:
        raise ImportError(f"{found[0].name} cannot be imported")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    for name in ("model_fn", "predict_fn"):
        if not callable(getattr(module, name, None)):
            raise AttributeError(f"{found[0].name} has no function {name}")
    read, write = getattr(module, "input_fn", _input), getattr(module, "output_fn", _output)
    model = module.model_fn(str(folder))

    def answer(body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        answered: Any = write(module.predict_fn(read(body, content_type), model), accept)
        if isinstance(answered, str | bytes):
            text, kind = answered, JSON if accept == "*/*" else accept
        else:  # as the toolkit has it, a pair
            text, kind = answered[0], str(answered[1])
        return text.encode() if isinstance(text, str) else bytes(text), kind

    return answer


def main(folder: Path) -> None:
    """Serve until the input ends."""
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a script prints must not come between the frames
    try:
        answer = _load(folder)
    except BaseException as error:
        write_frame(outgoing, {"ready": False, "error": f"{type(error).__name__}: {error}"})
        raise
    write_frame(outgoing, {"ready": True})
    while frame := read_frame(incoming):
        header, body = frame
        try:
            answered, kind = answer(body, header["content_type"], header["accept"])
            write_frame(outgoing, {"status": 200, "content_type": kind}, answered)
        except UnsupportedTypeError as error:
            write_frame(outgoing, {"status": 415, "content_type": "text/plain"}, str(error).encode())
        except Exception as error:
            said = f"{type(error).__name__}: {error}".encode()
            write_frame(outgoing, {"status": 500, "content_type": "text/plain"}, said)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
