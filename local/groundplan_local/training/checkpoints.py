"""Checkpoints to S3 while the script runs, and back at the start of an attempt."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from groundplan_local.files import look_below, read_regular
from groundplan_local.training.storage import list_objects, split_uri

UNFINISHED = (".tmp", ".part", ".sagemaker-uploading", ".sagemaker-uploaded")


class Checkpoints:
    """One attempt's checkpoint folder and its place in S3; a job without CheckpointConfig has no such place.

    Called by one thread. `syncs` counts the rounds in which something new reached S3. What cannot be kept, because it
    is no regular file or cannot be read, is told once to `tell`.
    """

    def __init__(self, s3: Any, config: Mapping[str, Any], folder: Path, tell: Callable[[str], None]) -> None:
        uri = config.get("S3Uri")
        self._s3 = s3
        self._place = split_uri(uri.rstrip("/") + "/") if uri else None
        self._folder = folder
        self._known: dict[str, tuple[int, int]] = {}
        self._tell = tell
        self._told: set[str] = set()
        self.syncs = 0

    def restore(self) -> None:
        """What lies in S3 into the (empty) folder."""
        if not self._place:
            return
        bucket, prefix = self._place
        for key in list_objects(self._s3, bucket, prefix):
            path = self._folder / key.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._s3.download_file(bucket, key, str(path))
            self._known[key] = read_regular(path).mark

    def sync(self) -> bool:
        """Upload the files that changed since the last round; returns whether there were any."""
        if not self._place:
            return False
        bucket, prefix = self._place
        uploaded = False
        below = look_below(self._folder)
        for path, found in below.left_out.items():
            self._leave_out(path, f"it is {found}")
        for path, error in below.errors.items():
            self._leave_out(path, error.strerror or str(error))
        for path, mark in sorted(below.files.items()):
            key = prefix + path.relative_to(self._folder).as_posix()
            if path.name.endswith(UNFINISHED) or self._known.get(key) == mark:
                continue
            try:
                content = read_regular(path)
            except FileNotFoundError:
                continue  # a draft that was renamed or removed meanwhile
            except OSError as error:
                self._leave_out(path, error.strerror or str(error))
                continue  # perhaps the next round can
            if content.mark != mark:
                continue  # it is being written: the next round takes it
            self._s3.put_object(Bucket=bucket, Key=key, Body=content.data)
            self._known[key] = mark
            uploaded = True
        self.syncs += uploaded
        return uploaded

    def _leave_out(self, path: Path, reason: str) -> None:
        line = f"embedded AWS: not kept as a checkpoint: {path}: {reason}"
        if line not in self._told:
            self._told.add(line)
            self._tell(line)
