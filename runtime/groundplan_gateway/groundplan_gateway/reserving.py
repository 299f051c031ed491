"""Dollars are held before a call; what processes that died still hold is taken for spent, and metered."""

import sys
import time
from dataclasses import asdict
from decimal import Decimal

from botocore.exceptions import BotoCoreError, ClientError

from groundplan.gateway.meter import Metered
from groundplan.gateway.problem import Problem
from groundplan_gateway.exchange import Exchange
from groundplan_gateway.gateway import Gateway
from groundplan_gateway.ledger import Label, Unfinished
from groundplan_gateway.telemetry import metered

_SWEPT_EVERY_SECONDS = 60.0


async def reserve(gateway: Gateway, exchange: Exchange, usd: Decimal) -> None:
    """Hold `usd` for the request, after what dead processes of the tenant hold was taken for spent."""
    await _sweep(gateway, exchange)
    exchange.reservation = await gateway.ledger.reserve(
        exchange.request_id,
        exchange.tenant,
        gateway.settings.tenants[exchange.tenant],
        usd,
        exchange.at,
        Label(exchange.operation, exchange.feature, exchange.workload, exchange.model),
    )


async def _sweep(gateway: Gateway, exchange: Exchange) -> None:
    """Once in a while for each tenant; what goes wrong with it is no reason not to answer."""
    now = time.monotonic()
    if now - gateway.swept_at.get(exchange.tenant, float("-inf")) < _SWEPT_EVERY_SECONDS:
        return
    gateway.swept_at[exchange.tenant] = now
    try:
        for one in await gateway.ledger.sweep(exchange.tenant, exchange.at):
            gateway.sink(metered(_died(one), gateway.settings.name))
    except (BotoCoreError, ClientError, Problem) as error:
        sys.stderr.write(f"what dead processes hold cannot be read now: {type(error).__name__}\n")


def _died(one: Unfinished) -> Metered:
    """Its line in the meter: at most what it cost, and said to be an estimate."""
    return Metered(
        request_id=one.reservation.request_id,
        time=one.at.isoformat(timespec="milliseconds"),
        status=500,
        code="process_died",
        tenant=one.reservation.tenant,
        usd=one.reservation.usd,
        estimated=True,
        **asdict(one.label),
    )
