"""What the gateway metered of a month, as the report of costs shows it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal

from groundplan.focus.workloads import plain


@dataclass(frozen=True)
class MeteredSum:
    """What the gateway metered of a month (2026-11); `usd` is exact."""

    month: str
    tenant: str
    feature: str
    workload: str
    model: str
    requests: int
    interventions: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    usd: Decimal

    @property
    def name(self) -> str:
        """Whose it is, for people."""
        return ", ".join((self.tenant, self.feature, self.workload, self.model))

    @property
    def tokens(self) -> int:
        """Of all kinds."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    def as_json(self) -> dict[str, str | int]:
        """As documented."""
        return asdict(self) | {"usd": plain(self.usd)}


def dearest(found: Iterable[MeteredSum]) -> list[MeteredSum]:
    """The most dollars first."""
    return sorted(found, key=lambda one: (-one.usd, one.name))
