"""What is known of how much resources are used in a month: a workload's drivers, and declared assumptions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

Quantities = Mapping[str, Decimal]


@dataclass(frozen=True)
class Usage:
    """Quantities a month by name (`requests`, `storage_gb`…).

    `assumed` maps a resource's path or type to quantities that somebody declared, `drivers` a workload's name to
    those that follow from its drivers: `requests`, `inference_ms` (of one), `payload_gb` (in and out),
    `input_tokens`, `output_tokens`. The path wins over the type, an assumption over the drivers.
    """

    assumed: Mapping[str, Quantities] = field(default_factory=dict[str, Quantities])
    drivers: Mapping[str, Quantities] = field(default_factory=dict[str, Quantities])

    def of(self, kind: str, path: str, workload: str, name: str) -> Decimal | None:
        """The quantity of one resource; None when nobody knows."""
        for known in (self.assumed.get(path), self.assumed.get(kind), self.drivers.get(workload)):
            if known and name in known:
                return known[name]
        return None

    def origin(self, kind: str, path: str, workload: str, name: str) -> str:
        """Where the quantity comes from, to be shown beside it."""
        if name in self.assumed.get(path, {}) or name in self.assumed.get(kind, {}):
            return "assumed"
        return f"drivers of {workload}" if name in self.drivers.get(workload, {}) else ""
