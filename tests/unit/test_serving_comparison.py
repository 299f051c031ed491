"""The version that serves beside the one in its shadow: which answers belong together, and which are alike."""

import json
from typing import Any

import pytest

from groundplan.serving.comparison import Agreement, Comparison, Variant, agreement


def line(asked: str, answered: str, *, encoding: str = "JSON", **metadata: str) -> str:
    """A captured request, as SageMaker writes it."""
    captured = {
        "endpointInput": {"data": asked, "encoding": encoding},
        "endpointOutput": {"data": answered, "encoding": encoding},
    }
    return json.dumps({"captureData": captured, "eventMetadata": {"eventId": "any", **metadata}, "eventVersion": "0"})


@pytest.mark.parametrize(
    ("serving", "candidate", "pairs", "alike", "unpaired"),
    [
        ([], [], 0, 0, 0),
        ([line("[1]", '{"a": 1, "b": 2}')], [line("[1]", '{"b":2,"a":1}')], 1, 1, 0),
        ([line("[1]", "1.0")], [line("[1]", "1")], 1, 1, 0),
        ([line("1", "7", encoding="CSV")], [line("1", "7.0", encoding="CSV")], 1, 0, 0),
        ([line("[1]", "1")], [line("[2]", "1")], 0, 0, 2),
        # The same question twice: each answer is compared once.
        ([line("[1]", "1"), line("[1]", "2")], [line("[1]", "1"), line("[1]", "1")], 2, 1, 0),
        ([line("[1]", "1", inferenceId="x")], [line("[9]", "1", inferenceId="x")], 1, 1, 0),
        ([line("[1]", "not json")], [line("[1]", "not json")], 1, 1, 0),
        # What is no captured line says nothing.
        ([line("[1]", "1"), "{", json.dumps({"captureData": {}})], [line("[1]", "1")], 1, 1, 0),
    ],
)
def test_answers_to_one_request_are_compared(
    serving: list[str], candidate: list[str], pairs: int, alike: int, unpaired: int
) -> None:
    assert agreement(serving, candidate) == Agreement(pairs=pairs, alike=alike, unpaired=unpaired)


def test_without_a_pair_no_share_is_known() -> None:
    one = Variant(version="1.0.0", requests=0, refused=0, failed=0, latency_p50_ms=None, latency_p99_ms=None)
    found = Comparison(
        workload="digit-reader",
        environment="local",
        since="2026-11-21T09:00:00Z",
        serving=one,
        candidate=one,
        agreement=Agreement(pairs=0, alike=0, unpaired=3),
    )
    document: Any = json.loads(json.dumps(found.as_json()))
    assert document["agreement"] == {"pairs": 0, "alike": 0, "unpaired": 3, "share": None}
