"""`POST /predict/<workload>`: a SageMaker endpoint, as it is."""

import time
from decimal import Decimal
from functools import partial

from starlette.responses import Response

from groundplan.gateway.problem import Problem
from groundplan_gateway.backend import Candidate, Failure, first_answer
from groundplan_gateway.exchange import Exchange
from groundplan_gateway.gateway import Gateway, identify, read_body
from groundplan_gateway.identity import Caller
from groundplan_gateway.model_calls import invoke_endpoint
from groundplan_gateway.reserving import reserve
from groundplan_gateway.tracing import traced

_TYPES = ("application/json", "text/csv")


async def answer_prediction(gateway: Gateway, exchange: Exchange) -> Response:
    """The endpoint's answer. Endpoints are paid by the hour, so a request counts and costs no dollars of its own."""
    await identify(gateway, exchange)
    name = exchange.request.path_params["path"].removeprefix("predict/")
    if name not in gateway.feature(exchange).predictions:
        raise Problem(404, "workload_not_found", "This feature has no such workload.", param="workload")
    exchange.model = exchange.served_by = name
    body = await read_body(gateway, exchange, _TYPES)
    if not body.strip():
        raise Problem(400, "empty_body", "The body is empty.")
    await reserve(gateway, exchange, Decimal(0))
    ask = partial(
        invoke_endpoint,
        partial(gateway.clients, Caller(exchange.tenant, exchange.feature)),
        endpoint_name=gateway.settings.predictions[name].endpoint_name,
        body=body,
        content_type=exchange.request.headers["content-type"],
        request_id=exchange.request_id,
    )
    began = time.monotonic()
    said = {"rpc.system": "aws-api", "rpc.method": "SageMakerRuntime/InvokeEndpoint"}
    produce = traced(exchange.calling(f"predict {name}", said), ask)
    asked = Candidate(gateway.backends[f"endpoint/{name}"], produce, exchange.turn_away)
    try:
        opened = await first_answer([asked], exchange.until)
        await opened.answer.next(max(0.0, exchange.until - time.monotonic()))  # its end
    except Failure as failure:
        exchange.attempts = failure.problem.attempts
        raise
    finally:
        exchange.backend_ms = (time.monotonic() - began) * 1000
    exchange.attempts = opened.attempts
    return Response(opened.first.body, media_type=opened.first.content_type)
