"""What the stopper does: training after a checkpoint, nothing that people depend on, nothing twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from groundplan.spend import Act, Order, Rules, Thing, decide

NOW = datetime(2026, 11, 12, 14, 0, tzinfo=UTC)
RULES = Rules(environment="dev", production=False)
PRODUCTION = replace(RULES, production=True)
OVER = Order(cause="budget", reason="digit-reader is over its ceiling", workload="digit-reader")
NIGHT = Order(cause="hours", reason="it is out of hours")
JOB = Thing(
    kind="training",
    name="digits-1",
    incarnation="1",
    workload="digit-reader",
    environment="dev",
    saves=True,
    saved=True,
)
ENDPOINT = Thing(kind="endpoint", name="digits", incarnation="1", workload="digit-reader", environment="dev")
NOTEBOOK = replace(ENDPOINT, kind="notebook")


def verdict(order: Order, thing: Thing, rules: Rules = RULES, *acts: Act, now: datetime = NOW) -> tuple[str, str]:
    decision = decide(order, thing, rules, acts, now)
    return decision.verdict, decision.reason


def act(**changes: object) -> Act:
    made = Act(subject="endpoint/digits", incarnation="1", status="done", cause="budget", at=NOW)
    return replace(made, **changes)  # pyright: ignore[reportArgumentType]


def test_training_is_stopped_once_it_has_a_checkpoint() -> None:
    assert verdict(OVER, replace(JOB, saved=False))[0] == "wait"
    assert verdict(OVER, JOB) == ("stop", "digit-reader is over its ceiling; its checkpoint is kept")


def test_training_that_keeps_no_checkpoints_runs_to_its_end() -> None:
    assert verdict(OVER, replace(JOB, saves=False, saved=False))[0] == "leave"


def test_endpoints_and_notebooks_go_to_zero_where_nobody_depends_on_them() -> None:
    for thing in (ENDPOINT, NOTEBOOK):
        for order in (OVER, NIGHT):
            assert verdict(order, thing)[0] == "stop"


def test_production_serving_goes_on_unless_somebody_opted_in() -> None:
    verdict_, reason = verdict(OVER, ENDPOINT, PRODUCTION)
    assert verdict_ == "leave"
    assert "production serving goes on" in reason
    opted_in = replace(PRODUCTION, stop_production=frozenset({"digit-reader"}))
    assert verdict(OVER, ENDPOINT, opted_in)[0] == "stop"
    assert verdict(NIGHT, ENDPOINT, opted_in)[0] == "leave", "production has no closing hours"
    assert verdict(OVER, ENDPOINT, replace(PRODUCTION, stop_production=frozenset({"other"})))[0] == "leave"


def test_training_is_stopped_in_production_too_and_has_no_closing_hours() -> None:
    assert verdict(OVER, JOB, PRODUCTION)[0] == "stop"
    assert verdict(NIGHT, JOB)[0] == "leave"


def test_what_costs_nothing_while_nobody_asks_stays() -> None:
    assert verdict(OVER, replace(ENDPOINT, runs="by itself"))[0] == "leave"


def test_a_workload_on_the_list_is_never_stopped() -> None:
    rules = replace(RULES, never_stop=frozenset({"digit-reader"}), stop_production=frozenset({"digit-reader"}))
    for thing in (JOB, ENDPOINT, NOTEBOOK):
        assert "never_stop" in verdict(OVER, thing, rules)[1]


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({"environment": "prod"}, "of environment prod"),
        ({"environment": None}, "without the tag environment"),
        ({"workload": "fraud-scorer"}, "it is of fraud-scorer"),
        ({"workload": None}, "it is of no workload"),
    ],
)
def test_what_is_somebody_elses_or_nobodys_is_left_alone(tags: dict[str, str | None], why: str) -> None:
    left = verdict(OVER, replace(JOB, **tags))  # pyright: ignore[reportArgumentType]
    assert left[0] == "leave"
    assert why in left[1]


def test_an_order_for_the_whole_environment_finds_every_workload_but_nothing_without_an_owner() -> None:
    whole = replace(OVER, workload=None)
    assert verdict(whole, replace(JOB, workload="fraud-scorer"))[0] == "stop"
    assert verdict(whole, replace(JOB, workload=None))[0] == "leave"


def test_what_was_stopped_is_not_stopped_again() -> None:
    assert verdict(OVER, ENDPOINT, RULES, act())[0] == "leave"
    assert verdict(OVER, ENDPOINT, RULES, act(incarnation="0"))[0] == "stop", "another one under its name"


def test_what_is_being_stopped_is_left_to_whoever_does_it_until_the_lease_is_over() -> None:
    promised = act(status="acting", at=NOW - timedelta(minutes=4))
    assert verdict(OVER, ENDPOINT, RULES, promised) == ("leave", "it is being stopped")
    assert verdict(OVER, ENDPOINT, RULES, replace(promised, at=NOW - timedelta(minutes=6)))[0] == "stop"
    assert verdict(OVER, ENDPOINT, RULES, act(status="failed"))[0] == "stop"


def test_what_a_person_brought_back_is_left_alone_for_a_while() -> None:
    back = act(incarnation="0", status="resumed", resumed_at=NOW - timedelta(hours=1), resumed_by="ada")
    left = verdict(OVER, ENDPOINT, RULES, back)
    assert left == ("leave", "ada brought it back; it is left alone until 2026-11-12 17:00 UTC")
    assert verdict(OVER, ENDPOINT, RULES, back, now=NOW + timedelta(hours=3))[0] == "stop"


def test_what_the_morning_brought_back_is_stopped_in_the_evening() -> None:
    morning = act(incarnation="0", status="resumed", resumed_at=NOW, resumed_by=None, cause="hours")
    assert verdict(NIGHT, ENDPOINT, RULES, morning)[0] == "stop"
