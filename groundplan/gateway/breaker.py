"""A circuit breaker as a state machine: time is an argument, nothing waits, nothing is locked.

Closed until `threshold` calls in a row failed; then open for `cool_down_seconds`; then one call, the probe, decides.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Admission:
    """One call that may be made; give it back exactly once. `probe` says that it decides for all others."""

    period: int
    probe: bool = False


class Breaker:
    """Not safe for threads: an event loop owns it.

    Each admission knows the period in which it was given. What an earlier period's call says later is not heard, so a
    late success of a call from before the outage closes nothing.
    """

    def __init__(self, *, threshold: int, cool_down_seconds: float) -> None:
        self._threshold, self._cool_down = threshold, cool_down_seconds
        self._failures = 0
        self._opened_until: float | None = None
        self._probing = False
        self._period = 0

    @property
    def open(self) -> bool:
        """Whether callers are turned away, or a probe is out."""
        return self._opened_until is not None

    def admit(self, now: float) -> Admission | None:
        """Leave to make one call, or None."""
        if self._opened_until is not None:
            if self._probing or now < self._opened_until:
                return None
            self._probing = True
            self._period += 1
            return Admission(self._period, probe=True)
        return Admission(self._period)

    def succeeded(self, admission: Admission) -> None:
        """The call was answered."""
        if admission.period == self._period:
            self._failures, self._opened_until, self._probing = 0, None, False

    def failed(self, admission: Admission, now: float) -> None:
        """The call failed for a reason of the backend's."""
        if admission.period != self._period:
            return
        self._failures += 1
        if self._probing or self._failures >= self._threshold:
            self.open_until(now + self._cool_down)

    def abandoned(self, admission: Admission) -> None:
        """The call says nothing of the backend: its caller left, or the request itself was wrong."""
        if admission.period == self._period:
            self._probing = False

    def open_until(self, then: float) -> None:
        """Turn callers away until `then`; also what another instance found."""
        self._opened_until, self._probing, self._failures = then, False, 0
        self._period += 1

    def close(self) -> None:
        """Let callers through: another instance found that the backend answers."""
        self._opened_until, self._probing, self._failures = None, False, 0
        self._period += 1

    def seconds_left(self, now: float) -> float:
        """Until the next probe."""
        return max(0.0, (self._opened_until or now) - now)
