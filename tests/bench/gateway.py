"""The gateway's figures: `.venv/bin/python tests/bench/gateway.py [--json]`. Exit status 1 if one misses its mark.

The gateway runs under uvicorn on loopback with models that answer from memory; what is measured is the time from a
request's first byte in the application to its line in the meter, less the time of the backend's call, as the meter
itself has it. The caller's own work shares this machine's processors.
"""

import asyncio
import json
import logging
import multiprocessing
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "kit"))

import httpx2

from groundplan.gateway.meter import totals
from stub_gateway import Running, answered, aws_error, delivered, model, serving, settings, token

CALLERS = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
THRESHOLD, BULKHEAD, COOL_DOWN = 5, 10, 3.0
CALL_SECONDS = 0.02
PROTECTION = {
    "concurrent_calls": BULKHEAD,
    "failures_until_open": THRESHOLD,
    "cool_down_seconds": COOL_DOWN,
    "timeout_seconds": 1.0,
}
Figure = dict[str, Any]


def figure(name: str, value: float, most: float, unit: str) -> Figure:
    return {"figure": name, "value": round(value, 2), "at_most": most, "unit": unit, "kept": value <= most}


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def gateway_settings() -> Any:
    models = {name: model(f"us.{name}", protection=PROTECTION) for name in ("sick", "well")}
    models["wide"] = model("us.wide", protection=PROTECTION | {"concurrent_calls": 64, "timeout_seconds": 9.0})
    features = {"search": {"workload": "w", "models": list(models)}}
    tenants = {"shop": {"features": ["search"], "requests_per_minute": 10**9, "dollars_per_month": "1000000"}}
    return settings(models=models, features=features, tenants=tenants, predictions={})


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


def overhead() -> list[Figure]:
    """What the gateway adds at 1, 10 and 50 callers at once, to calls of 20 ms and, of 50 callers, about 500 ms."""
    figures: list[Figure] = []
    for at_once, count in ((1, 100), (10, 500), (50, 1000)):
        with serving(gateway_settings()) as running:

            def slowly(_: Any, several: bool = at_once < 50) -> Any:
                # Not all alike, or callers that began together would come together for ever.
                time.sleep(0.02 if several else random.uniform(0.25, 0.75))  # noqa: S311
                return answered("Hello")

            running.models.behave["us.wide"] = slowly
            call_many(running, "wide", at_once, at_once)
            asked = {
                request_id for status, _, request_id in call_many(running, "wide", count, at_once) if status == 200
            }
            assert len(asked) == count, f"{count - len(asked)} of {count} calls were not answered"
            beyond = [
                line["latency_ms"] - line["backend_ms"] for line in running.lines if line["request_id"] in asked
            ]
        figures.append(figure(f"overhead, {at_once} at once, p50", percentile(beyond, 50), 5, "ms"))
        figures.append(figure(f"overhead, {at_once} at once, p99", percentile(beyond, 99), 20, "ms"))
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
    with serving(gateway_settings()) as running:
        running.models.behave["us.well"] = lambda _: time.sleep(CALL_SECONDS) or answered("Hello")
        running.models.behave["us.sick"] = running.models.behave["us.well"]
        call_many(running, "well", 50, 5)
        baseline = both(running, 0)[1]
        running.models.calls.clear()
        running.models.behave["us.sick"] = failing(over)
        call_many(running, "sick", 40, 20)  # opens the breaker
        reached = sum(call["modelId"] == "us.sick" for call in running.models.calls)
        running.app.state.gateway.backends["model/sick"].breaker.open_until(time.monotonic() + 3600)
        shed, meanwhile = both(running, CALL_SECONDS)  # as many calls a second as when it answered
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
        figure(
            f"{kind}: another model's p99", percentile(meanwhile, 99) / percentile(baseline, 99), 1.2, "x baseline"
        ),
        figure(f"{kind}: back after", seconds_back, COOL_DOWN + 0.25, "s"),
    ]


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
    wrong = abs(sum(one.requests for one in sums.values()) - count)
    wrong += int(dollars != Decimal(count * (count - 1) // 2) / 10_000_000)
    return [
        figure("a million metered: lost or doubled", wrong, 0, "requests"),
        figure("a million metered: made and summed", seconds, 30, "s"),
    ]


def imports() -> list[Figure]:
    """Processor time of importing the gateway, of boto3 with Powertools, best of five."""

    def cpu(modules: str) -> float:
        code = f"import time\nimport {modules}\nprint(time.process_time())"
        return min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5))

    bare = cpu("sys")
    powertools = "aws_lambda_powertools, aws_lambda_powertools.metrics, aws_lambda_powertools.utilities.parser"
    ratio = (cpu("groundplan_gateway.asgi") - bare) / (cpu(f"boto3, {powertools}") - bare)
    return [figure("import, processor time", ratio, 1.5, "x boto3 + Powertools")]


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
            mark = "" if one["kept"] else "  MISSED"
            print(f"{one['figure']:44} {one['value']:>8} {one['unit']:22} at most {one['at_most']}{mark}")
    return 0 if all(one["kept"] for one in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
