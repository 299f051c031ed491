"""How a server starts the gateway: `uvicorn --factory groundplan_gateway.asgi:gateway`.

On one machine `GROUNDPLAN_GATEWAY` holds the settings as JSON, or `@` and the path of a file that does. In AWS
`GROUNDPLAN_GATEWAY_PLACE` holds a `DeployedPlace`; the ai account tells the rest, when it starts and when a model is
refused.
"""

import gc

# Nothing that is imported is garbage: to look for some, now or later, takes an eighth of a cold start.
gc.disable()

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from boto3.session import Session
from botocore.config import Config
from starlette.applications import Starlette

from groundplan.gateway.settings import DeployedPlace, GatewaySettings, Place, Rules, Told, settings_of
from groundplan_gateway.application import application
from groundplan_gateway.clients import AssumedRole
from groundplan_gateway.identity import Keys, fetch_keys
from groundplan_gateway.ledger import MemoryLedger
from groundplan_gateway.shared_breaker import TableBreaker
from groundplan_gateway.table_ledger import AT_ONCE, TableLedger

gc.freeze()
gc.enable()

VARIABLE = "GROUNDPLAN_GATEWAY"
PLACE_VARIABLE = "GROUNDPLAN_GATEWAY_PLACE"


def gateway() -> Starlette:
    """The application, told by its environment; raises a ValidationError that names each wrong setting."""
    if text := os.environ.get(PLACE_VARIABLE):
        place = DeployedPlace.model_validate_json(text)
        rules = Rules.model_validate_json(Path(place.rules).read_text(encoding="utf-8"))
        return _application(place, rules.deadline_seconds, partial(_told, rules, place))
    value = os.environ[VARIABLE]
    text = Path(value[1:]).read_text(encoding="utf-8") if value.startswith("@") else value
    settings = GatewaySettings.model_validate_json(text)
    return _application(settings, settings.deadline_seconds, lambda _: settings)


def _told(rules: Rules, place: DeployedPlace, role: AssumedRole) -> GatewaySettings:
    return settings_of(rules, place, Told.model_validate_json(role.read_parameter(place.told_by)))


def _application(
    place: Place, deadline_seconds: float, settings: Callable[[AssumedRole], GatewaySettings]
) -> Starlette:
    session = Session(region_name=place.region)
    ledger, breakers = MemoryLedger(), None
    if place.table:
        config = Config(
            connect_timeout=1,
            read_timeout=2,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=AT_ONCE,
        )
        client = cast(Any, session).client("dynamodb", config=config)
        ledger, breakers = TableLedger(client, place.table), partial(TableBreaker, client, place.table)
    clients = AssumedRole(
        session=session, role_arn=place.role_arn, region=place.region, timeout_seconds=deadline_seconds
    )
    tracing: dict[str, Any] = {}
    if place.traces_url:
        from groundplan_gateway.span_export import tracer_provider

        provider = tracer_provider(place.traces_url, session, place.name)
        tracing = {"tracer": provider.get_tracer("groundplan_gateway"), "ended": provider.shutdown}
    return application(
        settings(clients),
        ledger=ledger,
        clients=clients,
        keys=Keys(partial(fetch_keys, _where(place.issuer.keys_url))),
        renew=partial(settings, clients),
        breakers=breakers,
        **tracing,
    )


def _where(keys_url: str) -> str:
    """Where AWS's own keys are: boto3's variable moves all of AWS elsewhere, and its keys with it."""
    elsewhere, url = os.environ.get("AWS_ENDPOINT_URL"), urlsplit(keys_url)
    moved = elsewhere and (url.hostname or "").startswith("cognito-idp.")
    return f"{elsewhere}{url.path}" if moved else keys_url
