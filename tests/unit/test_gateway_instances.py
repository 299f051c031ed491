"""What the gateway's instances know of each other: breakers, and what one leaves behind that died."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import boto3
import openai
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from groundplan.gateway.settings import Protection, Tenant
from groundplan_gateway import backend as backend_module
from groundplan_gateway.backend import Backend, Failure
from groundplan_gateway.ledger import LEASE_SECONDS, Label, Reservation, Unfinished
from groundplan_gateway.shared_breaker import Shared, TableBreaker
from groundplan_gateway.table_ledger import TableLedger
from stub_gateway import answered, aws_error, serving, settings, token

TABLE = "gateway"
PROTECTION = Protection(concurrent_calls=9, failures_until_open=5, cool_down_seconds=15.0, timeout_seconds=20.0)
BEGAN = 1_763_737_200.0


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        client: Any = boto3.client("dynamodb", region_name="us-east-1")  # pyright: ignore[reportUnknownMemberType]
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Of a backend that no other test knows."""
    return f"model/{request.node.name}"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What all instances take for the time."""
    now = [BEGAN]
    monkeypatch.setattr(backend_module, "time", SimpleNamespace(time=lambda: now[0], monotonic=lambda: now[0]))
    return now


@dataclass
class Model:
    """It fails or not, and counts who reaches it."""

    down: bool = True
    reached: int = 0

    def produce(self) -> Generator[str]:
        self.reached += 1
        if self.down:
            raise aws_error("ServiceUnavailableException", 503)
        yield "answer"


async def ask(instance: Backend, model: Model) -> str:
    """`answered`, `failed` or `shed`."""
    answer = await instance.start(model.produce)
    if answer is None:
        return "shed"
    try:
        while await answer.next(5) is not None:
            pass
    except Failure:
        return "failed"
    return "answered"


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def told() -> None:
        await story()

    asyncio.run(told())


def instances(client: Any, name: str, count: int) -> Sequence[Backend]:
    return [Backend("m", PROTECTION, TableBreaker(client, TABLE, name, PROTECTION)) for _ in range(count)]


def test_a_failure_counts_before_its_place_is_free_for_another() -> None:
    model, backend = Model(), Backend("m", PROTECTION.model_copy(update={"concurrent_calls": 1}))

    async def story() -> None:
        while not backend.breaker.open and model.reached <= PROTECTION.failures_until_open:
            await backend.start(model.produce)  # and nobody asks yet how it ended
            await asyncio.sleep(0)
        assert model.reached == PROTECTION.failures_until_open

    run(story)


@pytest.mark.usefixtures("clock")
def test_an_outage_is_found_by_all_instances_together(dynamodb: Any, name: str) -> None:
    model, several = Model(), instances(dynamodb, name, 4)

    async def story() -> None:
        said = [await ask(instance, model) for _ in range(5) for instance in several]
        assert model.reached == said.count("failed")
        assert model.reached <= PROTECTION.failures_until_open + len(several) - 1
        assert said[-len(several) :] == ["shed"] * len(several)
        [late] = instances(dynamodb, name, 1)
        assert await ask(late, model) == "shed", "an instance that starts in the outage asks the table first"

    run(story)


def test_one_probe_is_made_for_all_and_its_answer_lets_all_through(
    dynamodb: Any, name: str, clock: list[float]
) -> None:
    model, several = Model(), instances(dynamodb, name, 4)

    async def story() -> None:
        while await ask(several[0], model) != "shed":
            pass
        clock[0] += 15.1
        model.reached = 0
        assert [await ask(instance, model) for instance in several].count("failed") == 1, "the probe"
        assert model.reached == 1
        clock[0] += 15.1
        model.down = False
        assert await ask(several[1], model) == "answered"
        clock[0] += 2.1
        for instance in several:
            both = await asyncio.gather(ask(instance, model), ask(instance, model))
            assert both == ["answered"] * 2, "nobody waits for a probe of this instance's own"

    run(story)


def test_a_probe_of_an_instance_that_died_is_made_by_another(dynamodb: Any, name: str) -> None:
    first, second = (TableBreaker(dynamodb, TABLE, name, PROTECTION) for _ in range(2))

    async def story() -> None:
        known = [await first.failed(BEGAN, probe=False) for _ in range(5)]
        assert [one.opened_until for one in known] == [0, 0, 0, 0, BEGAN + 15]
        assert not await second.may_probe(BEGAN + 14), "it is open"
        assert await first.may_probe(BEGAN + 15)
        assert not await second.may_probe(BEGAN + 16)
        assert await second.may_probe(BEGAN + 15 + 20 + 6), "the first is dead"
        await second.left()
        assert await first.may_probe(BEGAN + 42), "the second's caller left"

    run(story)


def test_failures_count_together_only_within_a_cool_down_and_without_a_success_between(
    dynamodb: Any, name: str
) -> None:
    breaker = TableBreaker(dynamodb, TABLE, name, PROTECTION)

    async def story() -> None:
        for place in range(5):
            assert (await breaker.failed(BEGAN + place * 16, probe=False)).failures == 1
        assert (await breaker.failed(BEGAN + 65, probe=False)).failures == 2
        assert await breaker.succeeded(probe=False) == Shared()
        assert (await breaker.failed(BEGAN + 66, probe=False)).failures == 1

    run(story)


def test_an_answer_from_before_the_outage_lets_nobody_through(dynamodb: Any, name: str) -> None:
    breaker = TableBreaker(dynamodb, TABLE, name, PROTECTION)

    async def story() -> None:
        for _ in range(5):
            await breaker.failed(BEGAN, probe=False)
        assert (await breaker.succeeded(probe=False)).opened_until == BEGAN + 15
        assert (await breaker.succeeded(probe=True)).opened_until == 0

    run(story)


def test_an_instance_whose_clock_is_an_hour_ahead_keeps_nobody_away_for_an_hour(
    dynamodb: Any, name: str, clock: list[float]
) -> None:
    ahead = TableBreaker(dynamodb, TABLE, name, PROTECTION)
    [instance] = instances(dynamodb, name, 1)

    async def story() -> None:
        for _ in range(5):
            await ahead.failed(BEGAN + 3600, probe=False)
        assert await ask(instance, Model()) == "shed"
        assert instance.breaker.seconds_left(clock[0]) <= PROTECTION.cool_down_seconds

    run(story)


def test_without_the_table_an_instance_goes_by_what_it_sees_itself(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    class Gone:
        def __getattr__(self, name: str) -> Any:
            def refuse(**_: Any) -> Any:
                error: Any = {"Error": {"Code": "AccessDeniedException", "Message": "SECRET"}}
                raise ClientError(error, name)

            return refuse

    model, [alone] = Model(), instances(Gone(), "model/gone", 1)

    async def story() -> None:
        assert [await ask(alone, model) for _ in range(7)] == ["failed"] * 5 + ["shed"] * 2
        clock[0] += 15.1
        model.down = False
        assert await ask(alone, model) == "answered"

    run(story)
    said = capsys.readouterr().err
    assert "the breaker of m is not shared now: ClientError" in said
    assert "SECRET" not in said


LIMITS = Tenant(features=(), requests_per_minute=100, dollars_per_month=Decimal(1))
LABEL = Label("chat", "search", "catalogue", "large")
DIED_AT = datetime(2026, 11, 30, 23, 59, 30, tzinfo=UTC)


def month(client: Any, tenant: str, which: str = "2026-11") -> dict[str, Any]:
    return client.get_item(TableName=TABLE, Key={"id": {"S": f"month#{tenant}#{which}"}})["Item"]


def test_what_a_dead_process_held_is_spent_once_its_lease_is_over_also_in_the_next_month(dynamodb: Any) -> None:
    ledger, other = TableLedger(dynamodb, TABLE), TableLedger(dynamodb, TABLE)

    async def story() -> None:
        held = await ledger.reserve("r1", "left", LIMITS, Decimal("0.25"), DIED_AT, LABEL)
        done = await ledger.reserve("r2", "left", LIMITS, Decimal("0.5"), DIED_AT, LABEL)
        assert await ledger.settle(done, Decimal("0.125"))
        assert await ledger.sweep("left", DIED_AT + timedelta(seconds=LEASE_SECONDS)) == []
        after = DIED_AT + timedelta(seconds=LEASE_SECONDS + 1)
        # One after the other: moto's transactions are none between threads.
        found = [await ledger.sweep("left", after), await other.sweep("left", after)]
        assert [one for several in found for one in several] == [Unfinished(held, LABEL, DIED_AT)]
        assert {name: value["N"] for name, value in month(dynamodb, "left").items() if name != "id"} == {
            "held": "0.375",
            "spent": "0.375",
        }
        assert not await ledger.settle(held, Decimal("0.01")), "it lived after all, and comes too late"
        assert month(dynamodb, "left")["spent"]["N"] == "0.375"

    run(story)


def test_a_request_that_meets_another_of_its_tenant_is_settled_at_the_next_try_and_once() -> None:
    said = ["TransactionConflictException", "TransactionConflictException", "", "ConditionalCheckFailedException"]

    class Busy:
        def update_item(self, **_: Any) -> None:
            if code := said.pop(0):
                raise aws_error(code)

    async def story() -> None:
        ledger, held = TableLedger(Busy(), TABLE), Reservation("r1", "shop", "2026-11", Decimal(1))
        assert await ledger.settle(held, Decimal("0.5"))
        assert not await ledger.settle(held, Decimal("0.5"))
        assert said == []

    run(story)


def test_the_next_request_meters_what_a_dead_process_left_of_its_tenant_and_of_one_that_asks_no_more(
    dynamodb: Any,
) -> None:
    ledger, at = TableLedger(dynamodb, TABLE), datetime.now(UTC) - timedelta(hours=1)

    async def die() -> None:
        for tenant, request_id in (("shop", "req_dead"), ("other", "req_of_another")):
            await ledger.reserve(request_id, tenant, LIMITS, Decimal("0.25"), at, LABEL)

    run(die)
    tenants = {
        name: one for name, one in settings().model_dump(mode="json")["tenants"].items() if name in ("shop", "other")
    }
    with serving(settings(tenants=tenants), ledger) as running:
        # Once the model is asked the other's turn has begun, beside the request.
        running.models.behave["us.lone"] = lambda _: running.metered("req_of_another") and answered("Hello")
        client = openai.OpenAI(base_url=f"{running.url}/v1", api_key=token(), max_retries=0)
        for _ in range(2):
            client.chat.completions.create(model="lone", messages=[{"role": "user", "content": "Hi"}])
        line = running.metered("req_dead")
        assert (line["code"], line["usd"], line["estimated"]) == ("process_died", "0.25", True)
        assert (line["tenant"], line["feature"], line["model"]) == ("shop", "search", "large")
        assert running.metered("req_of_another")["tenant"] == "other"
        assert len(running.lines) == 4
