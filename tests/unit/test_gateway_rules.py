"""What the gateway decides without a network: breakers, budgets, prices, the meter's sums, keys and roles."""

import asyncio
import gc
import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st
from pydantic import ValidationError

from groundplan.gateway.breaker import Breaker
from groundplan.gateway.meter import Metered, read_event, totals
from groundplan.gateway.metrics import counted
from groundplan.gateway.problem import Problem
from groundplan.gateway.settings import Tenant
from groundplan.gateway.token_cost import TokenPrices, Usage, cost_usd, most_usd
from groundplan_gateway import identity
from groundplan_gateway.asgi import VARIABLE, gateway
from groundplan_gateway.clients import AssumedRole
from groundplan_gateway.identity import Caller, Identity, Keys
from groundplan_gateway.ledger import MemoryLedger
from groundplan_gateway.telemetry import metered
from stub_gateway import delivered, key_set, settings, token

PRICES = TokenPrices(input=Decimal("3"), output=Decimal("15"), cache_read=Decimal("0.3"), cache_write=Decimal("3.75"))
NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)


def breaker() -> Breaker:
    return Breaker(threshold=3, cool_down_seconds=10)


def fail(one: Breaker, times: int, now: float = 0) -> None:
    for _ in range(times):
        admission = one.admit(now)
        assert admission
        one.failed(admission, now)


def test_a_breaker_opens_at_its_threshold_and_lets_one_probe_through_after_the_cool_down() -> None:
    one = breaker()
    fail(one, 3)
    assert one.admit(9.9) is None
    probe = one.admit(10)
    assert probe
    assert one.admit(10) is None, "a second probe"
    one.succeeded(probe)
    assert one.admit(10)
    assert one.admit(10)


def test_a_probe_that_fails_opens_anew_and_one_whose_caller_left_is_made_again() -> None:
    one = breaker()
    fail(one, 3)
    left = one.admit(10)
    assert left
    one.abandoned(left)
    probe = one.admit(11)
    assert probe
    one.failed(probe, 11)
    assert one.admit(20.9) is None
    assert one.admit(21)


def test_a_success_from_before_the_outage_closes_nothing() -> None:
    one = breaker()
    early = one.admit(0)
    assert early
    fail(one, 3)
    one.succeeded(early)
    assert one.admit(1) is None


def test_only_failures_in_a_row_count() -> None:
    one = breaker()
    fail(one, 2)
    good = one.admit(0)
    assert good
    one.succeeded(good)
    fail(one, 2)
    assert one.admit(0)


@tries(max_examples=40)
@given(st.text(max_size=300), st.integers(0, 4000))
def test_what_is_reserved_covers_what_it_costs(text: str, output: int) -> None:
    size = len(text.encode())  # no tokeniser makes more tokens than bytes
    reserved = most_usd(text_bytes=size, messages=1, output_tokens=4000, prices=PRICES)
    for usage in (Usage(input=size, output=output), Usage(cache_write=size, output=output)):
        assert reserved >= cost_usd(usage, PRICES)


def test_a_line_of_the_meter_is_read_as_it_was_written() -> None:
    record = Metered(
        request_id="r", time="t", operation="chat", status=200, usage=Usage(1, 2, 3, 4), usd=Decimal("0.00000061")
    )
    assert read_event(json.loads(json.dumps(metered(record, "gateway")))) == record


@pytest.mark.parametrize(
    ("said", "ones"),
    [
        ({}, set[str]()),
        ({"status": 429, "code": "rate_limit_exceeded"}, {"refusals"}),
        ({"status": 400, "code": "model_refused_request"}, {"refusals", "not_taken"}),
        (
            {"status": 503, "code": "model_unavailable", "turned_away": "breaker"},
            {"failures", "shed", "breaker_open"},
        ),
        ({"served_by": "small", "turned_away": "breaker"}, {"shed", "breaker_open"}),
        ({"status": 503, "turned_away": "bulkhead"}, {"failures", "shed"}),
        ({"streamed": True, "code": "stream_cut"}, {"failures"}),
        ({"streamed": True, "code": "client_disconnected"}, set[str]()),
        ({"finish_reason": "length"}, {"truncated"}),
        ({"finish_reason": "content_filter"}, {"filtered"}),
        ({"finish_reason": "content_filter", "guardrail": "blocked"}, {"interventions", "blocked"}),
        ({"finish_reason": "stop", "guardrail": "masked"}, {"interventions", "masked"}),
    ],
)
def test_what_becomes_of_a_request_is_counted_under_its_name(said: dict[str, Any], ones: set[str]) -> None:
    record = Metered(**{"request_id": "r", "time": "t", "operation": "chat", "status": 200, **said})
    assert {name for name, value in counted(record).items() if value} == {"requests", *ones}


def test_requests_are_summed_exactly_whatever_is_delivered_twice() -> None:
    count = 20_000  # tests/bench/gateway.py does it with a million
    sums = totals(delivered(count))
    assert sum(one.requests for one in sums.values()) == count
    assert sum((one.usd for one in sums.values()), Decimal(0)) == Decimal(count * (count - 1) // 2) / 10_000_000
    assert sum(one.input for one in sums.values()) == sum(number % 997 for number in range(count))
    assert sums["b", "-", "-", "-"].output == sum(number % 13 for number in range(1, count, 3))


def test_a_budget_is_neither_overspent_nor_charged_twice() -> None:
    async def spend() -> None:
        ledger, limits = MemoryLedger(), Tenant(features=(), requests_per_minute=100, dollars_per_month=Decimal(1))
        first = await ledger.reserve("r1", "t", limits, Decimal("0.6"), NOW)
        assert await ledger.reserve("r1", "t", limits, Decimal("0.6"), NOW) == first
        with pytest.raises(Problem, match="dollars"):
            await ledger.reserve("r2", "t", limits, Decimal("0.5"), NOW)
        for _ in range(2):
            await ledger.settle(first, Decimal("0.1"))
        await ledger.reserve("r3", "t", limits, Decimal("0.9"), NOW)
        with pytest.raises(Problem):
            await ledger.reserve("r4", "t", limits, Decimal("0.0000001"), NOW)

    asyncio.run(spend())


def test_keys_are_fetched_once_for_invented_ids_and_kept_when_the_issuer_is_down() -> None:
    fetched: list[float] = []
    now = [0.0]

    def fetch() -> Any:
        fetched.append(now[0])
        if len(fetched) > 1:
            raise OSError
        return key_set()

    async def ask() -> None:
        keys = Keys(fetch, lambda: now[0])
        for number in range(50):
            assert await keys.find(f"invented{number}") is None
        assert len(fetched) == 1
        now[0] = 7200
        assert await keys.find("k1")
        assert len(fetched) == 2

    asyncio.run(ask())


def test_keys_that_were_never_had_are_a_503() -> None:
    def down() -> Any:
        raise OSError

    async def ask() -> None:
        with pytest.raises(Problem) as raised:
            await Keys(down).find("k1")
        assert raised.value.status == 503

    asyncio.run(ask())


def test_a_token_is_verified_once_until_it_expires_or_its_key_is_withdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []

    def decode(token: str, **given: Any) -> Any:
        verified.append(token)
        return jwt.decode(token, **given)

    clock, wall, keys, bearer = [0.0], [time.time()], [key_set()], f"Bearer {token()}"
    monkeypatch.setattr(identity, "jwt", SimpleNamespace(**{**vars(jwt), "decode": decode}))
    monkeypatch.setattr(identity, "time", SimpleNamespace(time=lambda: wall[0]))
    caller = Identity(settings(), Keys(lambda: keys[0], lambda: clock[0]))

    async def ask() -> None:
        first = [await caller.claims(bearer) for _ in range(3)]
        assert first[0] == first[2]
        assert len(verified) == 1
        with pytest.raises(Problem):
            await caller.claims(bearer[:-2])
        wall[0] += 600 + settings().issuer.leeway_seconds
        await caller.claims(bearer)
        assert len(verified) == 2 + 1, "it has expired by this clock, and is looked at again"
        wall[0], clock[0] = time.time(), 7200
        keys[0] = {"keys": [{**key_set()["keys"][0], "kid": "k2"}]}
        with pytest.raises(Problem) as raised:
            await caller.claims(bearer)
        assert raised.value.status == 401

    asyncio.run(ask())


class _Session:
    """boto3's session, as far as a role is assumed."""

    def __init__(self) -> None:
        self.assumed: list[Any] = []

    def client(self, service: str, **given: Any) -> Any:
        assert given["config"].retries == {"total_max_attempts": 1}
        return self if service == "sts" else (service, given.get("aws_session_token"))

    def assume_role(self, **request: Any) -> Any:
        self.assumed.append(request)
        until = datetime.fromtimestamp(3600 * len(self.assumed), UTC)
        return {
            "Credentials": {
                "AccessKeyId": "a",
                "SecretAccessKey": "s",
                "SessionToken": str(len(self.assumed)),
                "Expiration": until,
            }
        }


def test_the_role_is_assumed_once_for_a_tenant_and_feature_and_again_before_it_ends() -> None:
    session, now = _Session(), [0.0]
    given: Any = session
    role = AssumedRole(session=given, role_arn="arn", region="r", timeout_seconds=1, clock=lambda: now[0])
    for _ in range(3):
        assert role(Caller("shop", "search")).bedrock == ("bedrock-runtime", "1")
    assert session.assumed[0]["Tags"] == [{"Key": "tenant", "Value": "shop"}, {"Key": "feature", "Value": "search"}]
    assert role(Caller("shop", "help")).bedrock[1] == "2"
    now[0] = 3301
    assert role(Caller("shop", "search")).bedrock[1] == "3"


def test_what_is_loaded_when_the_first_caller_has_its_clients_is_never_searched_for_garbage() -> None:
    given: Any = _Session()
    role = AssumedRole(session=given, role_arn="arn", region="r", timeout_seconds=1, clock=lambda: 0)
    gc.unfreeze()
    try:
        role(Caller("shop", "search"))
        assert (first := gc.get_freeze_count()) > 0
        later = [[number] for number in range(100)]
        role(Caller("shop", "help"))
        assert gc.get_freeze_count() < first + len(later), "what comes later may be garbage"
    finally:
        gc.unfreeze()


def test_settings_that_name_what_is_not_there_are_refused() -> None:
    for changes in ({"features": {"search": {"workload": "w", "models": ["gone"]}}}, {"deadline_seconds": 29}):
        with pytest.raises(ValidationError):
            settings(**changes)


def test_a_guardrail_is_pinned_to_a_version() -> None:
    document = json.loads(settings().model_dump_json())
    document["models"]["lone"]["guardrail_version"] = "DRAFT"
    with pytest.raises(ValidationError, match="guardrail_version"):
        settings(models=document["models"])


def test_the_server_is_told_by_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gateway.json"
    file.write_text(settings().model_dump_json())
    monkeypatch.setenv(VARIABLE, f"@{file}")
    assert gateway().state.gateway.settings == settings()
