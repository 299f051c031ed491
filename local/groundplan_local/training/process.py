"""The training script as a process group of its own, and whatever it starts beyond that."""

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from groundplan_local.processes import end_tree, remember
from groundplan_local.training.log import Lines

# A grandchild that left the group may hold the output open after the group is dead; nobody waits for it longer.
OUTPUT_SECONDS = 2.0


class Script:
    """A running script; its lines go to `write` as they come."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        write: Callable[[str], None],
        memory: Path,
        mark: tuple[str, Path],
    ) -> None:
        """Raises OSError when the command cannot be run. The process is written down in the file `memory`.

        `mark` is the variable of `environment`, and its folder, by which this script's processes are known.
        """
        self._mark = mark
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        remember(memory, self._process.pid)
        self._stdout = Lines(cast(IO[bytes], self._process.stdout), write)
        self._stderr = Lines(cast(IO[bytes], self._process.stderr), write)
        self._stdout.start()
        self._stderr.start()

    def wait(self, seconds: float) -> int | None:
        """The exit code once the script ended; None if it did not within `seconds`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def ask_to_end(self) -> None:
        """SIGTERM to the script itself, as to a container's first process."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to everything that the script started, in its group or outside; it may have ended itself."""
        end_tree(self._process.pid, self._mark)
        self._process.wait()

    def collect(self) -> str:
        """Read the rest of the output; returns the last line of stderr, else of stdout."""
        self._stdout.join(OUTPUT_SECONDS)
        self._stderr.join(OUTPUT_SECONDS)
        return self._stderr.last or self._stdout.last
