"""What an option costs a month, at the average and if every hour were a peak."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from groundplan.planner.option import BEDROCK, Option
from groundplan.planner.sizing import MONTH, NIGHTS, Size, size
from groundplan.prices import Money, Unknown
from groundplan.workload import Foundation

LAMBDA_GB = Decimal("0.125")
BATCH_RECORDS_LEAST = 100  # a batch job of Bedrock holds no fewer records: fewer are filled up, and paid


@dataclass(frozen=True)
class Cost:
    """Dollars a month, and how they come about."""

    average: Money
    peak: Money
    arithmetic: tuple[str, ...]


def price(option: Option, *, words: bool = False) -> tuple[Size, Cost]:
    """Size and cost of an option, with their arithmetic in `words` where they are wanted.

    Prices that are not known stay in the sums by name.
    """
    sized = size(option, words=words)
    if option.architecture == "no-model":
        return sized, _at_rates(option, _rule_of, "requests x (one Lambda request + 0.125 GB x its time)")
    if option.architecture in BEDROCK:
        return sized, _at_rates(option, _tokens_of, _tokens_words(option))
    if option.architecture == "serverless":
        says = f"requests x {option.service.p50_ms} ms x {option.memory_gib} GB, and the data in"
        return sized, _at_rates(option, _serverless_of, says)
    return sized, _machines(option, sized, words)


def _requests(rate: Decimal) -> Decimal:
    return rate * 3600 * MONTH


def _at_rates(option: Option, of: Callable[[Option, Decimal], Money], words: str) -> Cost:
    average, peak = (
        of(option, _requests(rate))
        for rate in (option.drivers.average_requests_per_second, option.drivers.peak_requests_per_second)
    )
    requests = option.drivers.requests_per_month
    return Cost(average, peak, (f"{requests:,.0f} requests a month; {words} = {average}",))


def _rule_of(option: Option, requests: Decimal) -> Money:
    seconds = option.service.p50_ms / 1000
    return Money.of(option.market.price("lambda/request"), requests, "lambda/request") + Money.of(
        option.market.price("lambda/duration/arm"), requests * seconds * LAMBDA_GB, "lambda/duration/arm"
    )


def _foundation(option: Option) -> Foundation:
    foundation = option.workload.model.foundation
    if foundation is None:
        raise TypeError(f"{option.architecture} without a foundation model")
    return foundation


def _tokens_of(option: Option, requests: Decimal) -> Money:
    foundation = _foundation(option)
    if option.architecture == "bedrock-batch":
        runs = NIGHTS if option.drivers.traffic == "nightly" else MONTH * 3_600_000 / _batch_window_ms(option)
        requests = max(requests, runs * BATCH_RECORDS_LEAST)
    if foundation.capability == "rerank":
        return _tier(option, "query", requests)
    return _tier(option, "input", requests * foundation.input_tokens) + _tier(
        option, "output", requests * foundation.output_tokens
    )


def _batch_window_ms(option: Option) -> Decimal:
    return max(option.drivers.deadline_ms("p50"), option.latency.p50_ms)


def _tier(option: Option, kind: str, quantity: Decimal) -> Money:
    foundation = _foundation(option)
    prices = option.model_prices
    name = kind
    if prices:  # a long context costs more from a threshold on
        tiers = (tier for tier in prices.prices if tier.startswith(f"{kind}/above-"))
        marks = [int(tier.split("/above-")[1].split("k")[0]) for tier in tiers]
        passed = [mark for mark in marks if foundation.input_tokens > mark * 1000]
        name += f"/above-{max(passed)}k" if passed else ""
    name += "/batch" if option.architecture == "bedrock-batch" else ""
    key = f"bedrock/{option.runs_on}/{name}"
    found = prices.price(name) if prices else Unknown(key, f"{option.market.region} has no {option.runs_on}")
    return Money.of(found, quantity, key)


def _tokens_words(option: Option) -> str:
    foundation = _foundation(option)
    tier = " at the batch price" if option.architecture == "bedrock-batch" else ""
    return f"each {foundation.input_tokens:,} tokens in, {foundation.output_tokens:,} out{tier}"


def _serverless_of(option: Option, requests: Decimal) -> Money:
    key = f"sagemaker/serverless/{option.memory_gib}gb"
    return Money.of(option.market.price(key), requests * option.service.p50_ms / 1000, key) + _data(option, requests)


def _data(option: Option, requests: Decimal) -> Money:
    """Data into an endpoint, as if every request were the largest."""
    key = "sagemaker/inference_data"
    return Money.of(option.market.price(key), requests * option.drivers.payload_kib / 1024**2, key)


def _machines(option: Option, sized: Size, words: bool) -> Cost:
    component = "transform" if option.architecture == "batch-transform" else "hosting"
    key = f"sagemaker/{component}/{option.runs_on}"
    found = option.market.price(key)
    average, peak = Money.of(found, sized.hours, key), Money.of(found, sized.hours_at_peak, key)
    instances = average
    if component == "hosting":
        average += _data(option, _requests(option.drivers.average_requests_per_second))
        peak += _data(option, _requests(option.drivers.peak_requests_per_second))
    if not words:
        return Cost(average, peak, ())
    hourly = "an unknown price" if isinstance(found, Unknown) else f"{found.amount} dollars"
    says = f"{sized.hours:,.1f} instance-hours x {hourly} = {instances}"
    return Cost(average, peak, (says + (f"; with data in {average}" if component == "hosting" else ""),))
