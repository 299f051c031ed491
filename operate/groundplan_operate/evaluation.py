"""Runs a registered run's own inference functions over held-out requests, in a process of this machine.

What runs are the very bytes: the model by its digest, the code by its digest, on the software of the training.
"""

import importlib.metadata
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundplan.canonical import digest, file_digest, tree_digest
from groundplan.gate import Speed
from groundplan.gate import answer as answering
from groundplan.image import LOCK
from groundplan.refusal import Refused
from groundplan.training_request import KIT
from groundplan_operate.accounts import Accounts
from groundplan_operate.model_registry import fetch_object

INFERENCE = "inference.py"
LONGEST_SECONDS = 3600
LARGEST_MODEL_BYTES = 20 * 2**30


@dataclass(frozen=True)
class Made:
    """What is needed of a run to run its model: all of it from its record."""

    name: str
    workload: str
    model_data_url: str
    model_data_sha256: str
    code_uri: str
    code_digest: str
    kit_digest: str | None
    environment_digest: str
    frameworks: dict[str, str]


@dataclass(frozen=True)
class Answered:
    """Answers in the order of the requests, None where one failed; the first errors; and how fast it was."""

    answers: Sequence[str | None]
    errors: Sequence[str]
    speed: Speed


def answer_requests(accounts: Accounts, made: Made, requests: Sequence[str], content_type: str) -> Answered:
    """Raises Refused for a model, code or environment that is not the one of the record."""
    if not accounts.environment.embedded_aws:
        raise Refused(
            f"{accounts.environment.name}: models are evaluated in `local` only so far; in AWS this takes a "
            "processing job in the model's image, which is not built yet"
        )
    same_software(accounts, made)
    with tempfile.TemporaryDirectory() as folder:
        model, code = Path(folder) / "model", Path(folder) / "code"
        _fetch_model(accounts, made, Path(folder) / "model.tar.gz", model)
        fetch_code(accounts, made, code)
        if not (code / INFERENCE).is_file():
            raise Refused(f"{made.name}: its code has no {INFERENCE}, which answers for it as on an endpoint")
        return _run(made, code, model, requests, content_type)


def fetch_code(accounts: Accounts, made: Made, target: Path, *, with_kit: bool = False) -> None:
    """The code of a run; raises Refused when it is not there any more or not the one of its digest.

    The training kit lies beside it under a digest of its own, and is left where it is unless it is asked for.
    """
    bucket, place = accounts.names.artefacts_bucket(), made.code_uri.rstrip("/")
    prefix = place.removeprefix(f"s3://{bucket}/") + "/"
    if not prefix.startswith(f"workloads/{made.workload}/code/") or ".." in prefix.split("/"):
        raise Refused(f"{made.name}: its code, {place}, lies elsewhere than the platform puts code")
    s3, kit = accounts.client("s3", "ai"), target.parent / KIT
    kit.unlink(missing_ok=True)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            relative = str(entry["Key"]).removeprefix(prefix)
            if ".." in Path(relative).parts:
                raise Refused(f"{made.name}: s3://{bucket}/{entry['Key']} climbs out of its folder")
            file = target / relative
            file.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, entry["Key"], str(file))
            if relative == KIT:
                file.rename(kit)
    if not target.is_dir():
        raise Refused(f"{made.name}: its code, {place}, is not there any more")
    found = digest(tree_digest(target))
    if found != made.code_digest:
        raise Refused(f"{made.name}: its code was altered: {place} has digest {found}, not {made.code_digest}")
    kit_digest = file_digest(kit) if kit.exists() else None
    if made.kit_digest and kit_digest != made.kit_digest:
        now = f"has sha256 {kit_digest}" if kit_digest else "is not there any more"
        raise Refused(f"{made.name}: its training kit, {place}/{KIT}, {now}; its record has {made.kit_digest}")
    if with_kit and kit_digest:
        kit.rename(target / KIT)


def same_software(accounts: Accounts, made: Made) -> None:
    """The lock of this machine's Python is the one of the training, and so are the frameworks that the kit saw."""
    here = file_digest(accounts.root / LOCK)
    if here != made.environment_digest:
        raise Refused(
            f"{made.name}: it was trained on other software: {LOCK} has sha256 {here} here, and its record has "
            f"{made.environment_digest}; train it again, or check out what it was trained with"
        )
    for framework, version in made.frameworks.items():
        installed = _installed(framework)
        if not f"{installed}.".startswith(f"{version}."):
            raise Refused(f"{made.name}: it was trained with {framework} {version}, and here is {installed}")


def _installed(framework: str) -> str:
    """Its version here, or `nothing`."""
    if framework == "python":
        return platform.python_version()
    # A record may name a module, such as sklearn, where its distribution has another name.
    named = importlib.metadata.packages_distributions().get(framework, [framework])
    try:
        return importlib.metadata.version(named[0])
    except importlib.metadata.PackageNotFoundError:
        return "nothing"


def _fetch_model(accounts: Accounts, made: Made, archive: Path, target: Path) -> None:
    s3 = accounts.client("s3", "ai")
    fetch_object(s3, made.model_data_url, archive, sha256=made.model_data_sha256, what=f"{made.name}: its model")
    target.mkdir()
    try:
        with tarfile.open(archive) as tar:
            if sum(member.size for member in tar.getmembers()) > LARGEST_MODEL_BYTES:
                raise Refused(f"{made.name}: its model has more than {LARGEST_MODEL_BYTES} bytes unpacked")
            _extract(tar, target)
    except tarfile.TarError as error:
        raise Refused(f"{made.name}: its model cannot be unpacked: {error}") from None


def _extract(archive: tarfile.TarFile, target: Path) -> None:
    """Files and folders below the target, nothing else; Python before 3.11.4 has no filter that would see to it."""
    for member in archive:
        path = (target / member.name).resolve()
        if not path.is_relative_to(target.resolve()) or not (member.isfile() or member.isdir()):
            raise tarfile.TarError(f"{member.name} is no file or folder below the archive's own")
        content = archive.extractfile(member)
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)
        path.chmod(0o644 | member.mode & 0o111)


def _run(made: Made, code: Path, model: Path, requests: Sequence[str], content_type: str) -> Answered:
    command = [sys.executable, str(answering.__file__), str(code / INFERENCE), str(model), content_type]
    given = "".join(json.dumps(request) + "\n" for request in requests)
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=LONGEST_SECONDS, cwd=code, encoding="utf-8"
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"{made.name}: {len(requests)} requests took more than {LONGEST_SECONDS} seconds") from None
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"
        raise Refused(f"{made.name}: {INFERENCE} failed: {last}")
    *lines, figures = done.stdout.splitlines()
    answers: list[Any] = [json.loads(line) for line in lines]
    if len(answers) != len(requests):
        raise Refused(f"{made.name}: {INFERENCE} gave {len(answers)} answers to {len(requests)} requests")
    found: dict[str, Any] = json.loads(figures)
    return Answered(answers, found["errors"], _speed(found["milliseconds"]))


def _speed(milliseconds: Sequence[float]) -> Speed:
    machine = f"this machine ({platform.machine()})"
    if len(milliseconds) < 2:
        return Speed(float("nan"), float("nan"), float("nan"), len(milliseconds), machine)
    hundredths = statistics.quantiles(milliseconds, n=100, method="inclusive")
    rate = 1000 * len(milliseconds) / sum(milliseconds)
    return Speed(round(hundredths[49], 4), round(hundredths[98], 4), round(rate, 2), len(milliseconds), machine)
