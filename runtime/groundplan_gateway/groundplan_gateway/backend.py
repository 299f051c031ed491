"""One model or endpoint behind a bulkhead and a breaker, and the one retry loop over several.

boto3 blocks, so each backend has threads of its own, as many as may call it at once. A call that hangs keeps its
thread and its place until boto3 gives it up: what hangs can never hold more than its own bulkhead.
"""

import asyncio
import contextlib
import math
import random
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from botocore.exceptions import BotoCoreError, ClientError

from groundplan.gateway.breaker import Admission, Breaker
from groundplan.gateway.meter import TurnedAway
from groundplan.gateway.problem import Problem
from groundplan.gateway.settings import Protection
from groundplan_gateway.shared_breaker import Shared, SharedBreaker

Item = TypeVar("Item")
MOST_ATTEMPTS = 3  # of one request, fallback included
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_KNOWN_FOR_SECONDS = 2.0  # what other instances found
_ASKED_WITHIN_SECONDS = 0.5
_SAME_TIME_SECONDS = 0.5
_TRANSIENT = {
    "InternalFailure",
    "InternalServerException",
    "ModelErrorException",
    "ModelNotReadyException",
    "ModelStreamErrorException",
    "ModelTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "ThrottlingException",
    "TooManyRequestsException",
}
_WRONG_REQUEST = {"ValidationException", "ValidationError"}
_WRONG_RIGHTS = {"AccessDenied", "AccessDeniedException", "ResourceNotFoundException"}


class Failure(Exception):  # noqa: N818
    """A call that failed; `again` says whether another attempt may help, `blame` whether the backend is to blame."""

    def __init__(self, problem: Problem, *, again: bool, blame: bool) -> None:
        super().__init__(problem.message)
        self.problem, self.again, self.blame = problem, again, blame


def failure_of(error: BaseException) -> Failure:
    """What boto3 raised, in our words; AWS's own message may quote the request and is left out."""
    if isinstance(error, ClientError):
        code = str(cast(Any, error).response.get("Error", {}).get("Code", ""))
        if code in _WRONG_REQUEST:
            problem = Problem(400, "model_refused_request", "The model does not take this request.")
            return Failure(problem, again=False, blame=False)
        if code in _WRONG_RIGHTS:
            problem = Problem(502, "model_not_accessible", "The gateway may not call this model.", retried=True)
            return Failure(problem, again=False, blame=False)
        if code in _TRANSIENT:
            return Failure(_unavailable(retried=True), again=True, blame=True)
    if isinstance(error, BotoCoreError):
        return Failure(_unavailable(retried=True), again=True, blame=True)
    problem = Problem(502, "model_failed", "The model's answer cannot be used.", retried=True)
    return Failure(problem, again=False, blame=True)


def _unavailable(*, retried: bool, seconds: float = 2) -> Problem:
    wait = max(1, math.ceil(seconds))
    return Problem(
        503, "model_unavailable", "The model does not answer now.", retry_after_seconds=wait, retried=retried
    )


_END = object()
_LEFT = object()


class Answer(Generic[Item]):
    """Items as they come from the backend's thread."""

    def __init__(self, backend: "Backend", admission: Admission) -> None:
        self._backend, self._admission = backend, admission
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[object] = asyncio.Queue()
        self._left = threading.Event()
        self._judged = False

    def run(self, produce: Callable[[], Generator[Item]]) -> None:
        """In the backend's thread: all items, then the end or the exception."""
        try:
            with contextlib.closing(produce()) as items:
                for item in items:
                    self._post(item)
                    if self._left.is_set():
                        break
            self._post(_END)
        except BaseException as error:
            failure = failure_of(error)
            self._call(lambda: self._failed(failure))
        finally:
            self._call(self._backend.free)

    def _post(self, item: object) -> None:
        self._call(lambda: self._items.put_nowait(item))

    def _call(self, action: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(action)

    def _failed(self, failure: Failure) -> None:
        """It counts before its place is free: nobody takes the place of a failure that the breaker has not heard."""
        self.judge(failed=True if failure.blame else None)
        self._items.put_nowait(failure)

    def leave(self) -> None:
        """Nobody reads further: the thread stops at its next item, and who waits for one is woken."""
        self._left.set()
        self._items.put_nowait(_LEFT)

    def judge(self, *, failed: bool | None) -> None:
        """Tell the breaker, once; None says nothing of the backend."""
        if self._judged:
            return
        self._judged = True
        self._backend.judge(self._admission, failed=failed)

    async def next(self, seconds: float) -> Item | None:
        """The next item, None at the end; raises Failure."""
        try:
            async with asyncio.timeout(seconds):
                item = await self._items.get()
        except TimeoutError:
            self.leave()
            self.judge(failed=True)
            await self._backend.told()
            problem = Problem(504, "model_timeout", "The model did not answer in time.", retried=True)
            raise Failure(problem, again=False, blame=True) from None
        except asyncio.CancelledError:
            self.leave()
            self.judge(failed=None)
            raise
        if isinstance(item, Failure):
            await self._backend.told()
            raise item
        if item is _LEFT:
            self.judge(failed=None)
            return None
        if item is _END:
            self.judge(failed=False)
            await self._backend.told()
            return None
        return item  # pyright: ignore[reportReturnType] - what `produce` yields

    async def rest(self, first: Item, until: float) -> AsyncGenerator[Item]:
        """All items, the first included."""
        yield first
        while (item := await self.next(max(0.0, until - time.monotonic()))) is not None:
            yield item


class Backend:
    """Threads, places and a breaker of one model or endpoint; `shared` is what other instances know of it."""

    def __init__(self, name: str, protection: Protection, shared: SharedBreaker | None = None) -> None:
        self.name, self.protection = name, protection
        self.breaker = Breaker(
            threshold=protection.failures_until_open, cool_down_seconds=protection.cool_down_seconds
        )
        self._threads = ThreadPoolExecutor(protection.concurrent_calls, thread_name_prefix=f"backend-{name}")
        self._in_flight = 0
        self._shared, self._known = shared, Shared()
        self._read_at = float("-inf")
        self._telling: set[asyncio.Task[None]] = set()

    def free(self) -> None:
        """A thread is done."""
        self._in_flight -= 1

    async def start(self, produce: Callable[[], Generator[Item]]) -> Answer[Item] | None:
        """Begin a call; None when the breaker is open or the bulkhead is full."""
        await self._hear()
        if self._in_flight >= self.protection.concurrent_calls:
            return None
        admission = self.breaker.admit(time.monotonic())
        if admission is None:
            return None
        self._in_flight += 1
        try:
            allowed = not admission.probe or await self._may_probe()
        except BaseException:
            self._in_flight -= 1
            self.breaker.abandoned(admission)
            raise
        if not allowed:  # another instance makes the probe
            self._in_flight -= 1
            self.breaker.open_until(time.monotonic() + _KNOWN_FOR_SECONDS)
            return None
        answer: Answer[Item] = Answer(self, admission)
        self._threads.submit(answer.run, produce)
        return answer

    def judge(self, admission: Admission, *, failed: bool | None) -> None:
        """How a call ended, for the breaker here and for those of other instances."""
        if failed is None:
            self.breaker.abandoned(admission)
        elif failed:
            self.breaker.failed(admission, time.monotonic())
        else:
            self.breaker.succeeded(admission)
        if self._shared is None or not (admission.probe or failed or (failed is False and self._known.failures)):
            return
        task = asyncio.create_task(self._tell(self._shared, admission, failed=failed))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def told(self) -> None:
        """Wait, not for long, until other instances can know: a function freezes after its answer."""
        if self._telling:
            await asyncio.wait(self._telling, timeout=_ASKED_WITHIN_SECONDS)

    async def _tell(self, shared: SharedBreaker, admission: Admission, *, failed: bool | None) -> None:
        with self._alone_without():
            if failed is None:
                await shared.left()
            elif failed:
                self._take_in(await shared.failed(time.time(), probe=admission.probe))
            else:
                self._take_in(await shared.succeeded(probe=admission.probe))

    async def _hear(self) -> None:
        """What other instances found, asked for by one request every few seconds; the others do not wait for it."""
        if self._shared is None or time.monotonic() - self._read_at < _KNOWN_FOR_SECONDS:
            return
        self._read_at = time.monotonic()
        with self._alone_without():
            async with asyncio.timeout(_ASKED_WITHIN_SECONDS):
                known = await self._shared.read()
            self._take_in(known)

    async def _may_probe(self) -> bool:
        if self._shared is None:
            return True
        allowed = True
        with self._alone_without():
            async with asyncio.timeout(_ASKED_WITHIN_SECONDS):
                allowed = await self._shared.may_probe(time.time())
        return allowed

    def _take_in(self, known: Shared) -> None:
        before, self._known = self._known, known
        now = time.monotonic()
        left = min(known.opened_until - time.time(), self.protection.cool_down_seconds)
        if left > 0 and self.breaker.seconds_left(now) < left - _SAME_TIME_SECONDS:
            self.breaker.open_until(now + left)
        elif before.opened_until and not known.opened_until:
            self.breaker.close()

    @contextlib.contextmanager
    def _alone_without(self) -> Generator[None]:
        """Where the table does not answer, this instance goes by what it sees itself."""
        try:
            yield
        except (BotoCoreError, ClientError, TimeoutError) as error:
            sys.stderr.write(f"the breaker of {self.name} is not shared now: {type(error).__name__}\n")

    def close(self) -> None:
        """Take no more calls; what runs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class Candidate(Generic[Item]):
    """A backend, how it is asked, and who hears that it was not."""

    backend: Backend
    produce: Callable[[], Generator[Item]]
    turned_away: Callable[[TurnedAway], None]


@dataclass(frozen=True)
class Opened(Generic[Item]):
    """An answer that has begun."""

    answer: Answer[Item]
    first: Item
    name: str
    attempts: int


def pause_seconds(attempt: int) -> float:
    """Full jitter: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/"""
    return random.uniform(0, min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311


async def first_answer(candidates: Sequence[Candidate[Item]], until: float) -> Opened[Item]:
    """The first candidate that answers, in at most three attempts altogether; raises Failure.

    A candidate that is shed costs no attempt. One that timed out is not asked again. The last attempt is left for
    the next candidate, if there is one.
    """
    attempts = 0
    last: Failure | None = None
    for place, candidate in enumerate(candidates):
        most = MOST_ATTEMPTS - (len(candidates) - 1 - place)
        while attempts < most and (left := until - time.monotonic()) > 0:
            answer = await candidate.backend.start(candidate.produce)
            if answer is None:
                candidate.turned_away("breaker" if candidate.backend.breaker.open else "bulkhead")
                break
            attempts += 1
            try:
                first = await answer.next(min(left, candidate.backend.protection.timeout_seconds))
                if first is None:
                    raise failure_of(ValueError("an answer without a word"))
                return Opened(answer, first, candidate.backend.name, attempts)
            except Failure as failure:
                last = failure
                failure.problem.attempts = attempts
                if not failure.blame:
                    raise
                if not failure.again:
                    break
            if attempts < most and not candidate.backend.breaker.open:
                await asyncio.sleep(min(pause_seconds(attempts), max(0.0, until - time.monotonic())))
    if last is not None:
        raise last
    wait = min((c.backend.breaker.seconds_left(time.monotonic()) for c in candidates), default=0.0)
    raise Failure(_unavailable(retried=False, seconds=wait), again=False, blame=False)
