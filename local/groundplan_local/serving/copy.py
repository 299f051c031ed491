"""One copy of a model: its archive, unpacked, and the process that answers with it."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from botocore.exceptions import ClientError

from groundplan_local.connections import Credentials, connect, endpoint_url
from groundplan_local.lifecycle import BASE_VARIABLE, PROCESS
from groundplan_local.processes import end_tree, remember
from groundplan_local.serving import model_server
from groundplan_local.training.storage import split_uri

FROM_THE_MACHINE = ("HOME", "LANG", "LC_ALL", "PATH", "TZ")


class StartError(Exception):
    """A copy that does not come up; the message is the endpoint's FailureReason."""


@dataclass(frozen=True)
class Answered:
    """What a container answered, and how long it took."""

    status: int
    content_type: str
    body: bytes
    seconds: float


class Copy:
    """A warm process. It answers one request at a time, as one worker of a container does."""

    def __init__(self, folder: Path, container: Mapping[str, Any], account: str, region: str, wait: float) -> None:
        """Raises StartError when it does not come up within `wait` seconds."""
        self._turn = threading.Lock()
        self._folder = folder
        model = folder / "opt/ml/model"
        model.mkdir(parents=True)
        _unpack(container, model, account, region)
        passed = {name: os.environ[name] for name in FROM_THE_MACHINE if name in os.environ}
        access = Credentials(account)
        environment = {
            **passed,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": access.access_key,
            "AWS_SECRET_ACCESS_KEY": access.secret_key,
            "AWS_ENDPOINT_URL": endpoint_url(),
            **container.get("Environment", {}),
            BASE_VARIABLE: str(folder / "opt/ml"),
        }
        self._process = subprocess.Popen(
            [sys.executable, str(Path(model_server.__file__)), str(model)],
            cwd=model,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        remember(folder / PROCESS, self._process.pid)
        self._incoming = cast(IO[bytes], self._process.stdin)
        self._outgoing = cast(IO[bytes], self._process.stdout)
        self._come_up(wait)

    def _come_up(self, wait: float) -> None:
        late = threading.Timer(wait, self._process.kill)
        late.start()
        frame = model_server.read_frame(self._outgoing)
        late.cancel()
        said = frame[0] if frame else {"ready": False, "error": f"nothing within {wait:g} seconds"}
        if not said["ready"]:
            self.close()
            raise StartError(
                "The primary container for production variant did not pass the ping health check. "
                f"Please check CloudWatch logs for this endpoint. ({said['error']})"
            )

    def answer(self, body: bytes, content_type: str, accept: str) -> Answered:
        """The container's answer; 500 when its process is gone."""
        begun = time.monotonic()
        with self._turn:
            try:
                model_server.write_frame(self._incoming, {"content_type": content_type, "accept": accept}, body)
                frame = model_server.read_frame(self._outgoing)
            except (OSError, ValueError):
                frame = None
        seconds = time.monotonic() - begun
        if frame is None:
            return Answered(500, "text/plain", b"the container's process ended", seconds)
        return Answered(frame[0]["status"], frame[0]["content_type"], frame[1], seconds)

    def close(self) -> None:
        """End the process and whatever it started."""
        end_tree(self._process.pid, (BASE_VARIABLE, self._folder / "opt/ml"))
        self._process.wait()
        for stream in (self._incoming, self._outgoing):
            stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _unpack(container: Mapping[str, Any], model: Path, account: str, region: str) -> None:
    url = container.get("ModelDataUrl")
    if not url:
        return
    bucket, key = split_uri(url)
    try:
        packed = connect("s3", account, region).get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError:
        raise StartError(f"Could not find model data at {url}.") from None
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
            _extract(archive, model)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise StartError(f"Failed to extract model data archive from {url}: {error}") from None


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
