"""The life of one job, on a thread of its own: attempts, limits, interruptions, artefacts."""

import logging
import signal
import threading
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from groundplan_local.connections import assume_role, connect, connect_with
from groundplan_local.files import read_regular
from groundplan_local.lifecycle import BASE_VARIABLE, PROCESS
from groundplan_local.training.checkpoints import Checkpoints
from groundplan_local.training.container import Container
from groundplan_local.training.interruption import Interruption, Interruptions
from groundplan_local.training.jobs import TrainingJob, now
from groundplan_local.training.log import LogStream, MetricReader
from groundplan_local.training.process import Script
from groundplan_local.training.storage import DataError, download_channel, pack, upload, upload_files

# AWS waits 120 seconds between SIGTERM and SIGKILL; nobody would wait that long for a trial.
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.05
MAX_REASON = 1024  # characters of FailureReason
INTERRUPTED = "Interrupted"

logger = logging.getLogger(__name__)


class _EndedEarlyError(Exception):
    """The job was asked to stop before its script ran."""


class Run:
    """Runs one job to its end."""

    def __init__(self, job: TrainingJob, interruptions: Interruptions, root: Path) -> None:
        self.job = job
        self._interruptions = interruptions
        self._container = Container(job, root)
        # The role's own session: buckets of other accounts let this role in, not the account that it is in.
        self._credentials = assume_role(job.request["RoleArn"], "SageMaker", job.region)
        self._s3 = connect_with(self._credentials, "s3", job.region)
        self._log = LogStream(
            connect("logs", job.account, job.region),
            f"{job.name}/algo-1-{int(job.created.timestamp())}",
            MetricReader(job.request["AlgorithmSpecification"].get("MetricDefinitions", []), self._found),
        )
        self._stopping = threading.Event()
        self._closing = threading.Event()
        self._script: Script | None = None
        self._thread = threading.Thread(target=self._run, name=f"training {job.name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self.job.advance("Starting")
        self._thread.start()

    def stop(self) -> None:
        """As StopTrainingJob: returns at once."""
        self.job.advance("Stopping")
        self._stopping.set()

    def close(self) -> None:
        """The server ends: kill what runs, leave the rest."""
        self._closing.set()
        if script := self._script:
            script.kill()

    def _run(self) -> None:
        job = self.job
        try:
            self._log.open()
            end, reason = self._attempts()
        except _EndedEarlyError:
            end, reason = "Stopped", None
        except (DataError, ValueError, OSError) as error:
            end, reason = "Failed", f"ClientError: {error}"
        except Exception as error:
            if self._closing.is_set():
                return
            logger.exception("training job %s", job.name)
            end, reason = "Failed", f"InternalServerError: {type(error).__name__} {error}"
        if self._closing.is_set():
            return
        try:
            if job.training_started:
                self._upload(end)
            self._log.close()
        except Exception as error:
            logger.exception("training job %s: artefacts", job.name)
            end, reason = "Failed", f"ClientError: the artefacts could not be uploaded: {error}"
        job.advance(end, failure_reason=reason[:MAX_REASON] if reason else None)

    def _attempts(self) -> tuple[str, str | None]:
        command = self._container.command()
        for attempt in count():
            if attempt:
                self._enter("Starting")
            end, reason = self._attempt(command, self._interruptions.of_attempt(attempt))
            if end != INTERRUPTED:
                if attempt < len(self._interruptions):
                    logger.warning("training job %s ended before its interruption %d", self.job.name, attempt + 1)
                return end, reason
            self._enter(INTERRUPTED)
        raise AssertionError("a job ends")

    def _attempt(self, command: list[str], interruption: Interruption) -> tuple[str, str | None]:
        """On a new machine: data, checkpoints, script."""
        request, container = self.job.request, self._container
        container.prepare()
        self._enter("Downloading")
        for channel in request.get("InputDataConfig", []):
            download_channel(self._s3, channel, container.channel(channel["ChannelName"]))
        checkpoints = Checkpoints(
            self._s3, request.get("CheckpointConfig", {}), container.checkpoints, self._log.write
        )
        checkpoints.restore()
        self._enter("Training")
        return self._train(command, checkpoints, interruption)

    def _enter(self, secondary: str) -> None:
        if self._stopping.is_set() or self._closing.is_set():
            raise _EndedEarlyError
        self.job.advance(secondary)

    def _train(
        self, command: list[str], checkpoints: Checkpoints, interruption: Interruption
    ) -> tuple[str, str | None]:
        """One attempt; returns the secondary status that it leads to, and the reason of a failure."""
        folder, environment = self._container.working_folder(), self._container.environment(self._credentials)
        started = time.monotonic()
        self._script = script = Script(
            command,
            folder,
            environment,
            self._log.write,
            self._container.root / PROCESS,
            (BASE_VARIABLE, self._container.base),
        )
        try:
            while (exit_code := script.wait(POLL_SECONDS)) is None:
                seconds = time.monotonic() - started
                if interruption.due(seconds, checkpoints.syncs):
                    script.kill()
                    return INTERRUPTED, None
                if limit := self._limit(seconds):
                    self._end(script, limit, checkpoints)
                    return limit, None
                checkpoints.sync()
            script.kill()  # like a container, which ends with its first process; what is left must not write on
            checkpoints.sync()
        finally:
            script.kill()
            self._script = None
            last_line = script.collect()
            with self.job.lock:
                self.job.trained_seconds += time.monotonic() - started
        if exit_code:
            return "Failed", f"AlgorithmError: {self._why(exit_code, last_line)}"
        return ("Stopped" if self._stopping.is_set() else "Completed"), None

    def _limit(self, seconds: float) -> str | None:
        """What ends the attempt now: the caller, or one of the two limits of StoppingCondition."""
        condition: Mapping[str, int] = self.job.request.get("StoppingCondition", {})
        if self._stopping.is_set():
            return "Stopped"
        if self.job.trained_seconds + seconds > condition.get("MaxRuntimeInSeconds", 86400):
            return "MaxRuntimeExceeded"
        waited = (now() - self.job.created).total_seconds()
        if "MaxWaitTimeInSeconds" in condition and waited > condition["MaxWaitTimeInSeconds"]:
            return "MaxWaitTimeExceeded"
        return None

    def _end(self, script: Script, limit: str, checkpoints: Checkpoints) -> None:
        if limit != "Stopped":  # then StopTrainingJob said so already
            self.job.advance("Stopping")
        script.ask_to_end()
        deadline = time.monotonic() + GRACE_SECONDS
        while script.wait(POLL_SECONDS) is None and time.monotonic() < deadline:
            checkpoints.sync()
        script.kill()
        checkpoints.sync()

    def _why(self, exit_code: int, last_line: str) -> str:
        said = self._said().strip()
        if said:
            return said[:MAX_REASON]
        words = [last_line] if last_line else []
        if exit_code < 0:
            words.append(_signal(-exit_code))
        return f"{', '.join(words) or 'the script said nothing'}, exit code: {exit_code}"

    def _said(self) -> str:
        """What the script wrote into the file `failure`."""
        path = self._container.failure
        try:
            return read_regular(path).data.decode(errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            self._log.write(f"embedded AWS: not read: {path}: {error.strerror}")
            return ""

    def _upload(self, end: str) -> None:
        self.job.advance("Uploading")
        output = self.job.request["OutputDataConfig"]
        model, data, whole = self._container.model, self._container.output_data, end == "Completed"
        if output.get("CompressionType") != "NONE":
            archive, entries = pack(model, self._log.write)
            uri = upload(self._s3, output, self.job.name, "model.tar.gz", archive) if entries or whole else None
        else:
            uri = upload_files(self._s3, output, self.job.name, model) if whole else None
        if uri:
            with self.job.lock:
                self.job.model_artefacts = uri
        archive, entries = pack(data, self._log.write)
        if entries:
            upload(self._s3, output, self.job.name, "output.tar.gz", archive)

    def _found(self, metric: str, value: float) -> None:
        with self.job.lock:
            self.job.metrics[metric] = (value, now())


def _signal(number: int) -> str:
    try:
        name = f" ({signal.Signals(number).name})"
    except ValueError:
        name = ""  # a real-time signal has none
    return f"killed by signal {number}{name}"
