"""Dollars are held before a call; what processes that died still hold is taken for spent, and metered."""

import asyncio
import sys
import time
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal

from botocore.exceptions import BotoCoreError, ClientError

from groundplan.gateway.meter import PROCESS_DIED, Metered
from groundplan.gateway.problem import Problem
from groundplan_gateway.exchange import Exchange
from groundplan_gateway.gateway import Gateway
from groundplan_gateway.ledger import Label, Unfinished
from groundplan_gateway.telemetry import metered

_SWEPT_EVERY_SECONDS = 60.0
_SWEEPING: set[asyncio.Task[None]] = set()  # a task that nobody holds may vanish


async def reserve(gateway: Gateway, exchange: Exchange, usd: Decimal) -> None:
    """Hold `usd` for the request, after what dead processes of the tenant hold was taken for spent."""
    await _sweep(gateway, exchange.tenant, exchange.at)
    exchange.reservation = await gateway.ledger.reserve(
        exchange.request_id,
        exchange.tenant,
        gateway.settings.tenants[exchange.tenant],
        usd,
        exchange.at,
        Label(exchange.operation, exchange.feature, exchange.workload, exchange.model),
    )
    _sweep_another(gateway, exchange.at)


def _sweep_another(gateway: Gateway, at: datetime) -> None:
    """Those who ask nothing more as well: one a minute, whose turn was longest ago, and nobody waits for it."""
    now = time.monotonic()
    if now - gateway.swept_another_at < _SWEPT_EVERY_SECONDS:
        return
    gateway.swept_another_at = now
    tenant = min(gateway.settings.tenants, key=lambda one: gateway.swept_at.get(one, float("-inf")))
    task = asyncio.create_task(_sweep(gateway, tenant, at))
    _SWEEPING.add(task)
    task.add_done_callback(_SWEEPING.discard)


async def _sweep(gateway: Gateway, tenant: str, at: datetime) -> None:
    """Once in a while for each tenant; what goes wrong with it is no reason not to answer."""
    now = time.monotonic()
    if now - gateway.swept_at.get(tenant, float("-inf")) < _SWEPT_EVERY_SECONDS:
        return
    gateway.swept_at[tenant] = now
    try:
        for one in await gateway.ledger.sweep(tenant, at):
            gateway.sink(metered(_died(one), gateway.settings.name))
    except (BotoCoreError, ClientError, Problem) as error:
        sys.stderr.write(f"what dead processes hold cannot be read now: {type(error).__name__}\n")


def _died(one: Unfinished) -> Metered:
    """Its line in the meter: at most what it cost, and said to be an estimate."""
    return Metered(
        request_id=one.reservation.request_id,
        time=one.at.isoformat(timespec="milliseconds"),
        status=500,
        code=PROCESS_DIED,
        tenant=one.reservation.tenant,
        usd=one.reservation.usd,
        estimated=True,
        **asdict(one.label),
    )
