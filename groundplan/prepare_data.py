"""Validates a data set byte by byte against its manifest; then the workload's preprocess.py makes of it what trains.

Run as a script by the Python of the workload's environment, which need hold nothing of Groundplan's, as the one
script of a training job: channel `dataset` holds the data set with its manifest, and what is left in the model's
folder is what comes of it. A finding ends it with `invalid data: ` and what is wrong; `preprocess.py` refuses data
likewise, with `sys.exit("invalid data: ...")`.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

INVALID = "invalid data: "
PREPROCESS = "preprocess.py"
MOST_SHOWN = 5


def findings(dataset: Path, root: str, channels: Sequence[str]) -> Iterator[str]:
    """What of a data set is not as its manifest says."""
    file = dataset / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(file.read_bytes())
        entries: dict[str, dict[str, Any]] = {entry["key"]: entry for entry in manifest["entries"]}
        listed = [[key, entries[key]["version"], entries[key]["sha256"]] for key in sorted(entries)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield f"manifest.json cannot be read: {type(error).__name__}: {error}"
        return
    found = hashlib.sha256(json.dumps(listed, separators=(",", ":")).encode()).hexdigest()
    if found != root:
        yield f"manifest.json was altered: its root is {found}, and {root} was ingested"
        return
    there = {path.relative_to(dataset).as_posix(): path for path in sorted(dataset.rglob("*")) if path.is_file()}
    for key, entry in sorted(entries.items()):
        if key not in there:
            yield f"{key} is not there"
        elif (size := there[key].stat().st_size) == 0:
            yield f"{key} is empty"
        elif (sha256 := _sha256(there[key])) != entry["sha256"]:
            yield f"{key} was altered: {size} bytes with sha256 {sha256}, and {entry['sha256']} was ingested"
    for key in sorted({*there} - {*entries, "manifest.json"}):
        yield f"{key} is not in the manifest"
    for channel in channels:
        if not any(key.startswith(f"{channel}/") for key in entries):
            yield f"channel {channel} has no file"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def preprocess(script: Path, dataset: Path, target: Path, channels: Sequence[str]) -> str:
    """Run the workload's own script; why what it left is of no use, or nothing."""
    folders = {f"SM_CHANNEL_{channel.upper()}": str(dataset / channel) for channel in channels}
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, **folders, "SM_MODEL_DIR": str(target), "GROUNDPLAN_PREPARED": str(target)},
        cwd=script.parent,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    sys.stderr.write(done.stderr)
    if done.returncode:
        return done.stderr.strip().rpartition("\n")[2] or f"{script.name} ended with exit code {done.returncode}"
    for channel in channels:
        if not any(path.is_file() for path in (target / channel).rglob("*")):
            return f"{script.name} wrote no file for channel {channel}, to GROUNDPLAN_PREPARED/{channel}"
    return ""


def main() -> None:
    """Validate, preprocess, and leave a report."""
    dataset, target = Path(os.environ["SM_CHANNEL_DATASET"]), Path(os.environ["SM_MODEL_DIR"])
    channels = os.environ["GROUNDPLAN_CHANNELS"].split(",")
    if found := list(findings(dataset, os.environ["GROUNDPLAN_DATA_MANIFEST_ROOT"], channels)):
        more = f"; and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
        sys.exit(INVALID + "; ".join(found[:MOST_SHOWN]) + more)
    print("every byte is the one that was ingested", flush=True)
    script = Path(__file__).with_name(PREPROCESS)
    if script.is_file() and (why := preprocess(script, dataset, target, channels)):
        sys.exit(why)
    (target / "prepared.json").write_text(json.dumps({"validated": True, "preprocessed": script.is_file()}))


if __name__ == "__main__":
    main()
