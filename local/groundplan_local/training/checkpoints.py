"""Checkpoints to S3 while the script runs, and back at the start of an attempt."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundplan_local.training.storage import list_objects, split_uri

UNFINISHED = (".tmp", ".part", ".sagemaker-uploading", ".sagemaker-uploaded")


class Checkpoints:
    """One attempt's checkpoint folder and its place in S3; a job without CheckpointConfig has no such place.

    Called by one thread. `syncs` counts the rounds in which something new reached S3.
    """

    def __init__(self, s3: Any, config: Mapping[str, Any], folder: Path) -> None:
        uri = config.get("S3Uri")
        self._s3 = s3
        self._place = split_uri(uri.rstrip("/") + "/") if uri else None
        self._folder = folder
        self._known: dict[str, tuple[int, int]] = {}
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
            self._known[key] = _mark(path)

    def sync(self) -> bool:
        """Upload the files that changed since the last round; returns whether there were any."""
        if not self._place:
            return False
        bucket, prefix = self._place
        uploaded = False
        for path in sorted(self._folder.rglob("*")):
            key = prefix + path.relative_to(self._folder).as_posix()
            try:
                if path.is_dir() or path.name.endswith(UNFINISHED) or self._known.get(key) == _mark(path):
                    continue
                mark, content = _mark(path), path.read_bytes()
                if mark != _mark(path):
                    continue  # it is being written: the next round takes it
            except FileNotFoundError:
                continue  # a draft that was renamed or removed meanwhile
            self._s3.put_object(Bucket=bucket, Key=key, Body=content)
            self._known[key] = mark
            uploaded = True
        self.syncs += uploaded
        return uploaded


def _mark(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size
