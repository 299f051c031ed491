"""The states of a training by state machine: whatever comes of the job, the claim is settled, and the end is told."""

from collections.abc import Iterator
from typing import Any

from groundplan.training_states import training_states

MACHINE = training_states("aws-cn", "arn:aws-cn:lambda:cn-north-1:222222222222:function:launch")
STATES = MACHINE["States"]


def after(name: str) -> Iterator[str]:
    """Every state that may follow."""
    state = STATES[name]
    yield from [state["Next"]] if "Next" in state else []
    yield from (catch["Next"] for catch in state.get("Catch", []))
    yield from (choice["Next"] for choice in state.get("Choices", []))
    yield from [state["Default"]] if "Default" in state else []


def paths(name: str) -> Iterator[list[str]]:
    """Every way from a state to an end."""
    further = list(after(name))
    if not further or "End" in STATES[name]:
        yield [name]
    for one in further:
        yield from ([name, *rest] for rest in paths(one))


def test_every_way_goes_through_a_claim_a_job_and_a_settled_claim() -> None:
    ways = list(paths(MACHINE["StartAt"]))
    look, make = ["LookForData", "IsPrepared"], ["Prepare", "Prepared"]
    trained, failed = ["Claim", "Train", "Settle", "Evaluate"], ["Claim", "Train", "SettleFailed", "Failed"]
    assert sorted(ways) == sorted(
        [
            [*look, *trained],
            [*look, *trained, "NotEvaluated"],
            [*look, *failed],
            [*look, *make, *trained],
            [*look, *make, *trained, "NotEvaluated"],
            [*look, *make, *failed],
            [*look, "Prepare", "Unprepared"],
        ]
    )


def test_data_that_were_prepared_before_are_not_prepared_again() -> None:
    assert STATES["IsPrepared"]["Choices"] == [{"Condition": "{% $preparation = null %}", "Next": "Claim"}]
    assert STATES["IsPrepared"]["Default"] == "Prepare"


def test_any_failure_of_the_job_is_caught_and_ends_the_execution_as_failed() -> None:
    [catch] = STATES["Train"]["Catch"]
    assert catch["ErrorEquals"] == ["States.ALL"]
    assert STATES["Failed"]["Type"] == "Fail"


def test_sagemaker_gets_the_very_request_of_the_claim_once() -> None:
    assert STATES["Claim"]["Output"] == "{% $states.result.Payload.request %}"
    assert STATES["Train"]["Arguments"] == "{% $states.input %}"
    assert STATES["Train"]["Resource"] == "arn:aws-cn:states:::sagemaker:createTrainingJob.sync"
    assert "Retry" not in STATES["Train"], "a job that was asked for twice would be billed twice"


def test_the_function_is_asked_again_when_it_is_busy() -> None:
    asked: dict[str, Any] = {name: state for name, state in STATES.items() if "lambda" in state.get("Resource", "")}
    assert sorted(asked) == ["Claim", "Evaluate", "LookForData", "Prepared", "Settle", "SettleFailed", "Unprepared"]
    for state in asked.values():
        retried = {error for retry in state["Retry"] for error in retry["ErrorEquals"]}
        assert {"Lambda.TooManyRequestsException", "Lambda.ServiceException"} <= retried
        assert "States.ALL" not in retried, "a duplicate stays one"


def test_the_execution_waits_for_the_gate_and_a_model_that_nobody_judges_is_no_failure() -> None:
    evaluate = STATES["Evaluate"]
    assert evaluate["Resource"].endswith(":lambda:invoke.waitForTaskToken")
    assert "{% $states.context.Task.Token %}" in evaluate["Arguments"]["Payload"]["evaluate"].values()
    assert [catch["ErrorEquals"] for catch in evaluate["Catch"]] == [["States.Timeout"]], "a stopped model fails it"
    assert STATES["NotEvaluated"]["Type"] == "Succeed"
