"""How a server starts the gateway: `uvicorn --factory groundplan_gateway.asgi:gateway`.

`GROUNDPLAN_GATEWAY` holds the settings as JSON, or `@` and the path of a file that does.
"""

import os
from functools import partial
from pathlib import Path
from typing import Any, cast

from boto3.session import Session
from botocore.config import Config
from starlette.applications import Starlette

from groundplan.gateway.settings import GatewaySettings
from groundplan_gateway.application import application
from groundplan_gateway.clients import AssumedRole
from groundplan_gateway.identity import Keys, fetch_keys
from groundplan_gateway.ledger import MemoryLedger
from groundplan_gateway.table_ledger import TableLedger

VARIABLE = "GROUNDPLAN_GATEWAY"


def gateway() -> Starlette:
    """The application, told by its environment; raises a ValidationError that names each wrong setting."""
    value = os.environ[VARIABLE]
    text = Path(value[1:]).read_text(encoding="utf-8") if value.startswith("@") else value
    settings = GatewaySettings.model_validate_json(text)
    session = Session(region_name=settings.region)
    ledger = MemoryLedger()
    if settings.table:
        config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3})
        ledger = TableLedger(cast(Any, session).client("dynamodb", config=config), settings.table)
    clients = AssumedRole(
        session=session,
        role_arn=settings.role_arn,
        region=settings.region,
        timeout_seconds=settings.deadline_seconds,
    )
    return application(
        settings, ledger=ledger, clients=clients, keys=Keys(partial(fetch_keys, settings.issuer.keys_url))
    )
