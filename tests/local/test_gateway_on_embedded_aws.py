"""The gateway's budgets in DynamoDB, and its calls of Converse, on the embedded AWS."""

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import openai
import pytest

from groundplan.gateway.problem import Problem
from groundplan.gateway.settings import Tenant
from groundplan_gateway.clients import Clients
from groundplan_gateway.table_ledger import TableLedger
from stub_gateway import serving, settings, token

ACCOUNT = "111111111111"
NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
LIMITS = Tenant(features=(), requests_per_minute=20, dollars_per_month=Decimal(1))


@pytest.fixture(scope="module")
def table(embedded_aws: Any) -> Iterator[tuple[Any, str]]:
    client, name = embedded_aws.client("dynamodb", ACCOUNT), f"gateway-{uuid.uuid4().hex[:8]}"
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield client, name
    client.delete_table(TableName=name)


def held(table: tuple[Any, str], tenant: str) -> dict[str, Decimal]:
    item = table[0].get_item(TableName=table[1], Key={"id": {"S": f"month#{tenant}#2026-11"}})["Item"]
    return {name: Decimal(item[name]["N"]) for name in ("held", "spent") if name in item}


def test_a_month_in_the_table_is_neither_overspent_nor_charged_twice(table: tuple[Any, str]) -> None:
    ledger = TableLedger(*table)

    async def spend() -> None:
        first = await ledger.reserve("r1", "t", LIMITS, Decimal("0.6"), NOW)
        assert await ledger.reserve("r1", "t", LIMITS, Decimal("0.6"), NOW) == first
        with pytest.raises(Problem) as refused:
            await ledger.reserve("r2", "t", LIMITS, Decimal("0.5"), NOW)
        assert refused.value.code == "insufficient_quota"
        for _ in range(2):
            await ledger.settle(first, Decimal("0.1234567"))
        assert held(table, "t") == {"held": Decimal("0.1234567"), "spent": Decimal("0.1234567")}
        assert (await ledger.owner("r1"), await ledger.owner("r2")) == ("t", None)

    asyncio.run(spend())


def test_requests_at_once_hold_what_the_month_has_and_no_more(table: tuple[Any, str]) -> None:
    ledger = TableLedger(*table)

    async def one(number: int) -> bool:
        try:
            await ledger.reserve(f"c{number}", "crowd", LIMITS, Decimal("0.1"), NOW)
        except Problem:
            return False
        return True

    async def crowd() -> list[bool]:
        return list(await asyncio.gather(*(one(number) for number in range(16))))

    assert sum(asyncio.run(crowd())) == 10
    assert held(table, "crowd") == {"held": Decimal("1.0")}


def test_the_minute_in_the_table_ends(table: tuple[Any, str]) -> None:
    ledger = TableLedger(*table)

    async def call() -> None:
        for number in range(20):
            await ledger.reserve(f"m{number}", "minute", LIMITS, Decimal(0), NOW)
        with pytest.raises(Problem) as refused:
            await ledger.reserve("m20", "minute", LIMITS, Decimal(0), NOW)
        assert (refused.value.code, refused.value.retry_after_seconds) == ("rate_limit_exceeded", 30)
        await ledger.reserve("m21", "minute", LIMITS, Decimal(0), NOW.replace(minute=1))

    asyncio.run(call())


def test_a_key_in_the_table_gives_its_answer_again(table: tuple[Any, str]) -> None:
    ledger = TableLedger(*table)

    async def claim() -> None:
        assert await ledger.claim("t", "k", "digest", NOW) is None
        with pytest.raises(Problem) as busy:
            await ledger.claim("t", "k", "digest", NOW)
        assert busy.value.status == 409
        assert await ledger.claim("t", "k", "digest", NOW.replace(minute=2)) is None, "its holder died"
        await ledger.keep("t", "k", b"answer")
        assert await ledger.claim("t", "k", "digest", NOW.replace(minute=9)) == b"answer"
        with pytest.raises(Problem) as other:
            await ledger.claim("t", "k", "another", NOW)
        assert other.value.status == 422
        assert await ledger.claim("u", "k", "digest", NOW) is None
        await ledger.keep("u", "k", None)
        assert await ledger.claim("u", "k", "another", NOW) is None

    asyncio.run(claim())


@pytest.fixture(scope="module")
def guardrail(embedded_aws: Any) -> Iterator[tuple[str, str]]:
    client = embedded_aws.client("bedrock", ACCOUNT)
    made = client.create_guardrail(
        name=f"gateway-{uuid.uuid4().hex[:8]}",
        blockedInputMessaging="This cannot be asked.",
        blockedOutputsMessaging="This cannot be said.",
        wordPolicyConfig={"wordsConfig": [{"text": "marzipan"}]},
    )
    version = client.create_guardrail_version(guardrailIdentifier=made["guardrailId"])["version"]
    yield made["guardrailId"], version
    client.delete_guardrail(guardrailIdentifier=made["guardrailId"])


def months(table: tuple[Any, str]) -> list[Any]:
    return [one for one in table[0].scan(TableName=table[1])["Items"] if one["id"]["S"].startswith("month#shop#")]


def spent(table: tuple[Any, str]) -> Decimal:
    return sum((Decimal(month.get("spent", {"N": "0"})["N"]) for month in months(table)), Decimal(0))


@pytest.mark.parametrize("stream", [False, True])
def test_converse_of_the_embedded_aws_answers_openais_client_and_the_table_pays(
    embedded_aws: Any, table: tuple[Any, str], guardrail: tuple[str, str], until: Any, stream: bool
) -> None:
    bedrock = embedded_aws.client("bedrock-runtime", ACCOUNT)
    document = settings().model_dump(mode="json")["models"]
    document["lone"] |= {
        "target": "anthropic.claude-3-haiku-20240307-v1:0",
        "guardrail": guardrail[0],
        "guardrail_version": guardrail[1],
    }
    with serving(settings(models=document), TableLedger(*table)) as running:
        running.app.state.gateway.clients = lambda _: Clients(bedrock=bedrock, sagemaker=None)
        client = openai.OpenAI(base_url=f"{running.url}/v1", api_key=token(), max_retries=0)
        for text, finish, guarded in (("Hi", "stop", "none"), ("Some marzipan", "content_filter", "blocked")):
            before = spent(table)
            raw = client.chat.completions.with_raw_response.create(
                model="lone", messages=[{"role": "user", "content": text}], stream=stream
            )
            parsed: Any = raw.parse()
            answers = list(parsed) if stream else [parsed]
            assert answers[-1].choices[0].finish_reason == finish
            line = running.metered(raw.headers["x-request-id"])
            assert line["guardrail"] == guarded
            # A stream is settled after its last byte.
            until(lambda: not any(f"open_{line['request_id']}" in month for month in months(table)))  # noqa: B023
            assert spent(table) - before == Decimal(line["usd"]) > 0
