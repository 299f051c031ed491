"""A job's log: line by line to CloudWatch Logs as the lines come, and through the metric definitions."""

import queue
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

GROUP = "/aws/sagemaker/TrainingJobs"
MOST_EVENTS = 1000  # a call of PutLogEvents


class MetricReader:
    """Finds the values of MetricDefinitions in lines; the last value of each counts."""

    def __init__(self, definitions: Sequence[Mapping[str, str]], found: Callable[[str, float], None]) -> None:
        self._definitions = [(definition["Name"], re.compile(definition["Regex"])) for definition in definitions]
        self._found = found

    def read(self, line: str) -> None:
        """Report every value in this line."""
        for name, regex in self._definitions:
            for match in regex.finditer(line):
                try:
                    self._found(name, float(match[1] if match.re.groups else match[0]))
                except (ValueError, TypeError):
                    continue  # it matched something that is no number, as it may


class LogStream:
    """A stream of the job's log group; a thread of its own ships what is written."""

    def __init__(self, logs: Any, stream: str, metrics: MetricReader) -> None:
        self._logs = logs
        self._stream = stream
        self._metrics = metrics
        self._waiting: queue.Queue[tuple[int, str] | None] = queue.Queue()
        self._shipper = threading.Thread(target=self._ship, name=f"log {stream}", daemon=True)

    def open(self) -> None:
        """Make the group and the stream."""
        for make, names in (
            (self._logs.create_log_group, {"logGroupName": GROUP}),
            (self._logs.create_log_stream, {"logGroupName": GROUP, "logStreamName": self._stream}),
        ):
            try:
                make(**names)
            except self._logs.exceptions.ResourceAlreadyExistsException:
                continue
        self._shipper.start()

    def write(self, line: str) -> None:
        """One line, from any thread."""
        self._metrics.read(line)
        self._waiting.put((int(time.time() * 1000), line))

    def close(self) -> None:
        """Return when everything that was written has been shipped."""
        self._waiting.put(None)
        self._shipper.join()

    def _ship(self) -> None:
        while (first := self._waiting.get()) is not None:
            lines, last = [first], False
            while len(lines) < MOST_EVENTS and not self._waiting.empty():
                if (line := self._waiting.get()) is None:
                    last = True
                    break
                lines.append(line)
            # CloudWatch Logs refuses an event without text.
            events = [
                {"timestamp": at, "message": line or " "} for at, line in sorted(lines, key=lambda each: each[0])
            ]
            self._logs.put_log_events(logGroupName=GROUP, logStreamName=self._stream, logEvents=events)
            if last:
                return


class Lines(threading.Thread):
    """Reads one output of a process to its end, line by line, and keeps the last that says something."""

    def __init__(self, output: IO[bytes], write: Callable[[str], None]) -> None:
        super().__init__(name="output", daemon=True)
        self._output = output
        self._write = write
        self.last = ""

    def run(self) -> None:
        for raw in self._output:
            line = raw.decode(errors="replace").rstrip("\r\n")
            self.last = line.strip() or self.last
            self._write(line)
        self._output.close()
