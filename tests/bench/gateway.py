"""The gateway's figures: `.venv/bin/python tests/bench/gateway.py [--json]`. Exit status 1 if one misses its mark.

Overhead is what a caller waits beyond the model's own time: from its request's first byte out to its answer's last
byte in by the caller's clock, less the seconds for which the model, a process of its own, had the request by its.
The gateway is the program as it is shipped, with boto3's clients; callers, gateway and models share this machine's
processors. Callers do not begin in one instant, but within the time of one call; what they wait when they do is a
figure of its own. With a ledger in DynamoDB a caller waits for two writes more: how long AWS takes for them is not
known here, so DynamoDB answers at once and what is measured is our part of it. Of outages, seconds are those of the
meter, and models answer from memory.
"""

import asyncio
import contextlib
import json
import logging
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "kit"))

import httpx2

from groundplan.gateway.meter import totals
from groundplan_runtime.integrations.metered import summed
from stub_gateway import (
    AUDIENCE,
    ISSUER,
    Running,
    answered,
    aws_error,
    delivered,
    key_set,
    model,
    serving,
    settings,
    token,
)

CALLERS = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
THRESHOLD, BULKHEAD, COOL_DOWN = 5, 10, 3.0
ROUNDS = 5  # of which the quietest counts
CALL_SECONDS = 0.02
PROTECTION = {
    "concurrent_calls": BULKHEAD,
    "failures_until_open": THRESHOLD,
    "cool_down_seconds": COOL_DOWN,
    "timeout_seconds": 1.0,
}
WIDE = PROTECTION | {"concurrent_calls": 64, "timeout_seconds": 9.0}
SLOW = "for_250_to_750"  # milliseconds
Figure = dict[str, Any]


def figure(name: str, value: float, most: float | None, unit: str) -> Figure:
    kept = most is None or value <= most
    return {"figure": name, "value": round(value, 2), "at_most": most, "unit": unit, "kept": kept}


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def gateway_settings(models: dict[str, Any], **changes: Any) -> Any:
    features = {"search": {"workload": "w", "models": list(models)}}
    tenants = {"shop": {"features": ["search"], "requests_per_minute": 10**9, "dollars_per_month": "1000000"}}
    return settings(models=models, features=features, tenants=tenants, predictions={}, **changes)


def make_calls(
    url: str, bearer: str, name: str, count: int, at_once: int, pause: float
) -> list[tuple[int, float, str]]:
    """Status, seconds and request id of each call."""
    body = {"model": name, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"authorization": f"Bearer {bearer}"}
    said: list[tuple[int, float, str]] = []

    async def caller(client: httpx2.AsyncClient, share: int) -> None:
        for _ in range(share):
            began = time.perf_counter()
            answer = await client.post(f"{url}/v1/chat/completions", json=body, headers=headers)
            said.append((answer.status_code, time.perf_counter() - began, answer.headers["x-request-id"]))
            await asyncio.sleep(pause)

    async def all_callers() -> None:
        async with httpx2.AsyncClient(timeout=30, limits=httpx2.Limits(max_connections=at_once)) as client:
            await asyncio.gather(*(caller(client, count // at_once) for _ in range(at_once)))

    asyncio.run(all_callers())
    return said


def call_many(
    running: Running, name: str, count: int, at_once: int, pause: float = 0
) -> list[tuple[int, float, str]]:
    """The same in another process, so that callers and gateway do not wait for one interpreter."""
    return CALLERS.submit(make_calls, running.url, token(), name, count, at_once, pause).result()


@contextlib.contextmanager
def process(command: Sequence[str], **how: Any) -> Generator[subprocess.Popen[str]]:
    with subprocess.Popen(command, text=True, **how) as running:
        try:
            yield running
        finally:
            running.terminate()


@contextlib.contextmanager
def shipped(aws: str, table: str | None) -> Generator[tuple[str, int]]:
    """Where the gateway listens, as its own program, with AWS at that address."""
    models = {name: model(f"us.{name}", protection=WIDE) for name in ("for_20_to_20", "for_50_to_150", SLOW)}
    where = {"issuer": ISSUER, "audience": AUDIENCE, "keys_url": f"{aws}/keys"}
    given = gateway_settings(models, issuer=where, table=table)
    variables = {"GROUNDPLAN_GATEWAY": given.model_dump_json(), "AWS_ENDPOINT_URL": aws}
    credentials = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
    program = ["uvicorn", "--factory", "groundplan_gateway.asgi:gateway", "--no-access-log", "--port", "0"]
    with process(
        [sys.executable, "-m", *program],
        env=os.environ | variables | credentials,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stderr
        found = next(filter(None, (re.search(r"http://(127\.0\.0\.1):(\d+)", line) for line in running.stderr)))
        yield found[1], int(found[2])


async def timed_calls(
    where: tuple[str, int], bearer: str, name: str, count: int, at_once: int, within: float
) -> dict[str, float]:
    """Seconds of each request by its id, of callers that begin `within` so many seconds; the client costs little."""
    body = json.dumps({"model": name, "messages": [{"role": "user", "content": "Hi"}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {bearer}\r\n"
    request = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
    said: dict[str, float] = {}

    async def caller(place: int) -> None:
        reader, writer = await asyncio.open_connection(*where)
        await asyncio.sleep(within * place / at_once)
        for _ in range(count // at_once):
            began = time.perf_counter()
            writer.write(request)
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            await reader.readexactly(int(headers["content-length"]))
            said[headers["x-request-id"]] = time.perf_counter() - began
            assert first.split(" ")[1] == "200", first
        writer.close()

    await asyncio.gather(*(caller(place) for place in range(at_once)))
    return said


def overhead() -> list[Figure]:
    """What the gateway adds at 1, 10 and 50 callers at once, about 100 calls a second of the latter two."""
    figures: list[Figure] = []

    def beyond(name: str, count: int, at_once: int, within: float) -> list[float]:
        said = asyncio.run(timed_calls(where, token(), name, count, at_once, within))
        took = httpx2.get(f"{aws}/took").json()
        return [1000 * (seconds - took[request_id]) for request_id, seconds in said.items()]

    stub = [sys.executable, str(Path(__file__).with_name("stub_aws.py")), json.dumps(key_set())]
    with process(stub, stdout=subprocess.PIPE) as running:
        assert running.stdout
        aws = running.stdout.readline().strip()
        for table in (None, "ledger"):
            with shipped(aws, table) as where:
                beyond(SLOW, 100, 50, 0)  # connections and threads are there
                several = ((1, 100, "for_20_to_20", 0.0), (10, 500, "for_50_to_150", 0.1))
                for at_once, count, name, within in (*(() if table else several), (50, 1000, SLOW, 0.5)):
                    waited = beyond(name, count, at_once, within)
                    what = f"overhead, {at_once} at once" + (", ledger in a table" if table else "")
                    figures.append(figure(f"{what}, p50", percentile(waited, 50), None if table else 5, "ms"))
                    figures.append(figure(f"{what}, p99", percentile(waited, 99), None if table else 20, "ms"))
                if not table:
                    figures.append(
                        figure(
                            "overhead, 50 in one instant, p99", percentile(beyond(SLOW, 50, 50, 0), 99), None, "ms"
                        )
                    )
    return figures


def both(running: Running, pause: float) -> tuple[list[tuple[int, float, str]], list[float]]:
    """Calls of the sick model, and seconds of calls of the other meanwhile."""
    with ThreadPoolExecutor(1) as threads:
        sick = threads.submit(call_many, running, "sick", 500, 5, pause)
        well = [seconds for _, seconds, _ in call_many(running, "well", 500, 5)]
        return sick.result(), well


def outage(kind: str, failing: Callable[[threading.Event], Callable[[Any], Any]]) -> list[Figure]:
    """One model is down; its callers are shed, and another model's notice nothing."""
    over = threading.Event()
    models = {name: model(f"us.{name}", protection=PROTECTION) for name in ("sick", "well")}
    with serving(gateway_settings(models)) as running:
        running.models.behave["us.well"] = lambda _: time.sleep(CALL_SECONDS) or answered("Hello")
        running.models.behave["us.sick"] = running.models.behave["us.well"]
        call_many(running, "well", 50, 5)
        baseline = [both(running, 0)[1] for _ in range(ROUNDS)]
        running.models.calls.clear()
        running.models.behave["us.sick"] = failing(over)
        call_many(running, "sick", 40, 20)  # opens the breaker
        reached = sum(call["modelId"] == "us.sick" for call in running.models.calls)
        running.app.state.gateway.backends["model/sick"].breaker.open_until(time.monotonic() + 3600)
        # As many calls a second as when it answered.
        shed, meanwhile = zip(*(both(running, CALL_SECONDS) for _ in range(ROUNDS)), strict=True)
        shed = [one for round_of in shed for one in round_of]
        assert all(status == 503 for status, _, _ in shed)
        over.set()
        running.models.behave.pop("us.sick")
        running.app.state.gateway.backends["model/sick"].breaker.open_until(time.monotonic() + COOL_DOWN)
        back = time.monotonic()
        while call_many(running, "sick", 1, 1)[0][0] != 200:
            time.sleep(0.01)
        seconds_back = time.monotonic() - back
        turned_away = {request_id for _, _, request_id in shed}
        shed_ms = [line["latency_ms"] for line in running.lines if line["request_id"] in turned_away]
    return [
        figure(f"{kind}: calls that reach the model", reached, THRESHOLD + BULKHEAD, "calls"),
        figure(f"{kind}: shed, p99", percentile(shed_ms, 99), 50, "ms"),
        figure(f"{kind}: another model's p99", quietest(meanwhile) / quietest(baseline), 1.2, "x baseline"),
        figure(f"{kind}: back after", seconds_back, COOL_DOWN + 0.25, "s"),
    ]


def quietest(rounds: Sequence[Sequence[float]]) -> float:
    """The p99 of the round that the machine disturbed least."""
    return min(percentile(seconds, 99) for seconds in rounds)


def hangs(over: threading.Event) -> Callable[[Any], Any]:
    return lambda _: over.wait(20) and answered("late")


def raises(code: str) -> Callable[[threading.Event], Callable[[Any], Any]]:
    def failing(_: threading.Event) -> Callable[[Any], Any]:
        def fail(_: Any) -> Any:
            raise aws_error(code, 503)

        return fail

    return failing


def million() -> list[Figure]:
    """A million requests, a tenth of them delivered twice."""
    count = 1_000_000
    began = time.process_time()
    sums = totals(delivered(count))
    seconds = time.process_time() - began
    dollars = sum((one.usd for one in sums.values()), Decimal(0))
    expected = Decimal(count * (count - 1) // 2) / 10_000_000
    wrong = abs(sum(one.requests for one in sums.values()) - count) + int(dollars != expected)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{number}.json") for number in range(8)]
        with contextlib.ExitStack() as opened:
            lines = [opened.enter_context(file.open("w")) for file in files]
            for number, record in enumerate(delivered(count)):  # what is delivered twice lies in two objects
                lines[number % len(lines)].write(json.dumps(record.event()) + "\n")
        began = time.process_time()
        carried = summed(files, Path(folder))
        lake_seconds = time.process_time() - began
    lost = abs(sum(one.requests for one in carried) - count)
    lost += int(sum((one.usd for one in carried), Decimal(0)) != expected)
    return [
        figure("a million metered: lost or doubled", wrong, 0, "requests"),
        figure("a million metered: made and summed", seconds, 30, "s"),
        figure("a million in the lake: lost or doubled", lost, 0, "requests"),
        figure("a million in the lake: summed", lake_seconds, 30, "s"),
    ]


def imports() -> list[Figure]:
    """Processor time of importing the gateway, of boto3 with Powertools, best of five."""

    def cpu(modules: str) -> float:
        code = f"import time\nimport {modules}\nprint(time.process_time())"
        return min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5))

    bare = cpu("sys")
    powertools = "aws_lambda_powertools, aws_lambda_powertools.metrics, aws_lambda_powertools.utilities.parser"
    rival = cpu(f"boto3, {powertools}") - bare
    ratio, spans = (
        (cpu(modules) - bare) / rival
        for modules in ("groundplan_gateway.asgi", "groundplan_gateway.asgi, groundplan_gateway.span_export")
    )
    return [
        figure("import, processor time", ratio, 1.5, "x boto3 + Powertools"),
        figure("import, where spans are sent", spans, None, "x boto3 + Powertools"),
    ]


def main(arguments: Sequence[str]) -> int:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    figures = [
        *imports(),
        *overhead(),
        *outage("hangs", hangs),
        *outage("errors", raises("ServiceUnavailableException")),
        *outage("throttles", raises("ThrottlingException")),
        *million(),
    ]
    if "--json" in arguments:
        print(json.dumps({"figures": figures}))
    else:
        for one in figures:
            mark = "" if one["at_most"] is None else f"at most {one['at_most']}"
            mark += "" if one["kept"] else "  MISSED"
            print(f"{one['figure']:48} {one['value']:>8} {one['unit']:22} {mark}")
    return 0 if all(one["kept"] for one in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
