"""What a script uses of its machine, seen from outside: its processes in /proc, the disk, and the GPUs' own tool."""

import os
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from resource import struct_rusage
from typing import Any

EVERY_SECONDS = 1.0
GPU_EVERY = 10  # samples; its tool is slow
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Hardware:
    """Samples of one session of processes, taken by a thread of the entry point until `stop`."""

    session: int
    folder: Path
    _done: threading.Event = field(default_factory=threading.Event)
    _cpu_seconds: float = 0.0
    _of_ended: float = 0.0
    _busiest: float = 0.0
    _memory: int = 0
    _disk: int = 0
    _gpus: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._used_before = _used(self.folder)
        self._seen: dict[int, float] = {}
        self._thread = threading.Thread(target=self._run, name="hardware", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more samples."""
        self._done.set()
        self._thread.join()

    def ended(self, used: struct_rusage) -> None:
        """What a process and its own children had used when it ended: between two samples much may happen."""
        self._of_ended += used.ru_utime + used.ru_stime
        self._memory = max(self._memory, used.ru_maxrss * 1024)

    def summary(self) -> dict[str, Any]:
        """What was used so far; CPU in percent of the whole machine."""
        seconds = time.monotonic() - self._began
        cpus, used = os.cpu_count() or 1, max(self._cpu_seconds, self._of_ended)
        return {
            "cpus": cpus,
            "cpu_percent_mean": round(min(100.0, 100 * used / seconds / cpus), 2) if seconds else 0.0,
            "cpu_percent_max": round(100 * self._busiest / cpus, 2),
            "memory_bytes_total": _memory_total(),
            "memory_bytes_max": self._memory,
            "gpus": [self._gpus[number] for number in sorted(self._gpus)],
            "disk_bytes_max": self._disk,
            "seconds": round(seconds, 3),
        }

    def _run(self) -> None:
        before = time.monotonic()
        for number in count():
            self._sample(time.monotonic() - before)
            before = time.monotonic()
            if number % GPU_EVERY == 0:
                self._sample_gpus()
            if self._done.wait(EVERY_SECONDS):
                self._sample(time.monotonic() - before)
                return

    def _sample(self, seconds: float) -> None:
        used, memory = 0.0, 0
        for pid, cpu, resident in _processes(self.session):
            used += max(0.0, cpu - self._seen.get(pid, 0.0))
            self._seen[pid] = cpu
            memory += resident
        self._cpu_seconds += used
        if seconds >= EVERY_SECONDS / 2:  # of less, a tick of the clock would look like a busy machine
            self._busiest = max(self._busiest, used / seconds)
        self._memory = max(self._memory, memory)
        self._disk = max(self._disk, _used(self.folder) - self._used_before)

    def _sample_gpus(self) -> None:
        query = "--query-gpu=index,name,utilization.gpu,memory.used,memory.total"
        try:
            told = subprocess.run(
                ["nvidia-smi", query, "--format=csv,noheader,nounits"],  # noqa: S607
                capture_output=True, text=True, check=True, timeout=10,
            ).stdout  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return
        for line in told.splitlines():
            words = [word.strip() for word in line.split(",")]
            if len(words) != 5 or not all(word.isdigit() for word in (words[0], *words[2:])):
                continue
            gpu = self._gpus.setdefault(
                int(words[0]),
                {"name": words[1], "utilization_percent_max": 0, "memory_bytes_max": 0, "memory_bytes_total": 0},
            )
            gpu["utilization_percent_max"] = max(gpu["utilization_percent_max"], int(words[2]))
            gpu["memory_bytes_max"] = max(gpu["memory_bytes_max"], int(words[3]) * 2**20)
            gpu["memory_bytes_total"] = int(words[4]) * 2**20


def _processes(session: int) -> list[tuple[int, float, int]]:
    """Process id, CPU seconds with those of children that ended, and resident bytes of a session's processes."""
    found: list[tuple[int, float, int]] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[3]) == session:
            found.append((int(folder.name), sum(map(int, fields[11:15])) / TICKS, int(fields[21]) * PAGE))
    return found


def _memory_total() -> int:
    """Bytes of the container's limit, else of the machine."""
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit.isdigit():
            return int(limit)
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * PAGE


def _used(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).used
    except OSError:
        return 0
