"""What an estimate counts with follows from the drivers."""

from decimal import Decimal
from pathlib import Path

from groundplan.workload import read_workload, usage_of

ROOT = Path(__file__).parents[2]


def test_requests_of_a_month_and_tokens_follow_from_the_drivers() -> None:
    assistant, reader = (read_workload(ROOT, name) for name in ("support-assistant", "digit-reader"))
    usage = usage_of([assistant, reader])
    requests = assistant.drivers.average_requests_per_second * 730 * 3600
    foundation = assistant.model.foundation
    assert foundation
    assert usage["support-assistant"] == {
        "requests": requests,
        "input_tokens": requests * foundation.input_tokens,
        "output_tokens": requests * foundation.output_tokens,
    }
    assert usage["digit-reader"] == {"requests": reader.drivers.average_requests_per_second * Decimal(2_628_000)}
