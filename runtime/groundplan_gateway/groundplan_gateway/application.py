"""The gateway's ASGI application."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from opentelemetry import trace
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from groundplan.gateway.chat import read_feedback
from groundplan.gateway.metrics import CALLER_LEFT
from groundplan.gateway.problem import Problem
from groundplan.gateway.settings import GatewaySettings
from groundplan_gateway.backend import Backend, Failure
from groundplan_gateway.chat_answer import answer_chat
from groundplan_gateway.clients import ClientsOf
from groundplan_gateway.exchange import REQUEST_ID_HEADER, Exchange
from groundplan_gateway.gateway import Gateway, identify, read_body
from groundplan_gateway.gateway import renew as renew_settings
from groundplan_gateway.identity import Identity, Keys
from groundplan_gateway.ledger import Ledger
from groundplan_gateway.prediction_answer import answer_prediction
from groundplan_gateway.shared_breaker import BreakerOf
from groundplan_gateway.telemetry import FEEDBACK_SCHEMA, Sink, write_line
from groundplan_gateway.tracing import parent

_METHODS = {"/v1/chat/completions": "POST", "/v1/models": "GET", "/feedback": "POST"}
_PREDICT = "/predict/"
_NOWHERE = trace.NoOpTracer()


def application(
    settings: GatewaySettings,
    *,
    ledger: Ledger,
    clients: ClientsOf,
    keys: Keys,
    sink: Sink = write_line,
    renew: Callable[[], GatewaySettings] | None = None,
    breakers: BreakerOf | None = None,
    tracer: trace.Tracer = _NOWHERE,
    ended: Callable[[], None] = lambda: None,
) -> Starlette:
    """The application; nothing is called before the first request. `renew` gives the settings as they are now.

    `breakers` gives what other instances know of a backend; without it each process learns by itself. `ended` is
    called, and may block, when the server is told to end.
    """
    gateway = Gateway(settings, Identity(settings, keys), ledger, clients, sink, renew=renew, tracer=tracer)
    for kind, protected in (("model", settings.models), ("endpoint", settings.predictions)):
        for name, one in protected.items():
            key = f"{kind}/{name}"
            shared = breakers(key, one.protection) if breakers else None
            gateway.backends[key] = Backend(name, one.protection, shared)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        for backend in gateway.backends.values():
            backend.close()
        await asyncio.to_thread(ended)

    async def everything(request: Request) -> Response:
        return await _answer(gateway, request)

    every_method = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
    routes = [Route("/healthz", _healthy), Route("/{path:path}", everything, methods=every_method)]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.gateway = gateway
    return app


async def _healthy(_: Request) -> Response:
    """For the Lambda Web Adapter's readiness check."""
    return Response("ok", media_type="text/plain")


async def _answer(gateway: Gateway, request: Request) -> Response:
    """Any request: one span, one deadline, one line in the meter, an error in the API's own shape."""
    operation, handle = _route(request)
    exchange = Exchange(
        request,
        operation,
        time.monotonic() + gateway.settings.deadline_seconds,
        gateway.sink,
        gateway.ledger,
        gateway.settings.name,
        gateway.tracer,
        gateway.tracer.start_span(operation, context=parent(request.headers), kind=trace.SpanKind.SERVER),
    )
    try:
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + gateway.settings.deadline_seconds):
            response = await handle(gateway, exchange)
    except Problem as problem:
        response = _refused(exchange, problem)
    except Failure as failure:
        response = _refused(exchange, failure.problem)
        if failure.problem.code == "model_not_accessible":
            await renew_settings(gateway)
    except TimeoutError:
        response = _refused(exchange, Problem(504, "deadline_exceeded", "The deadline has passed.", retried=True))
    except ClientDisconnect:
        response = _refused(exchange, Problem(499, CALLER_LEFT, "The caller left."))
    except asyncio.CancelledError:
        exchange.status, exchange.code = 499, "cancelled"
        await exchange.finish()
        raise
    except Exception as error:
        # An exception's own text may hold what was sent; where it happened does not.
        frame = error.__traceback__
        while frame and frame.tb_next:
            frame = frame.tb_next
        where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
        sys.stderr.write(f"{exchange.request_id} {type(error).__name__} at {where}\n")
        response = _refused(exchange, Problem(500, "internal_error", "The gateway failed.", retried=True))
    response.headers[REQUEST_ID_HEADER] = exchange.request_id
    if not exchange.streamed:
        exchange.status = response.status_code
        await exchange.finish()
    return response


def _refused(exchange: Exchange, problem: Problem) -> Response:
    exchange.refuse(problem)
    exchange.streamed = False
    return JSONResponse(problem.body(), problem.status, dict(problem.headers()))


Handler = Callable[[Gateway, Exchange], Awaitable[Response]]


def _route(request: Request) -> tuple[str, Handler]:
    path = request.url.path
    method = _METHODS.get(path) or ("POST" if path.startswith(_PREDICT) and path != _PREDICT else None)
    if method is None:
        return "unknown", _refusing(404, "unknown_path", "There is no such path here.")
    if request.method != method:
        return "unknown", _refusing(405, "method_not_allowed", "This path takes another method.")
    if path.startswith(_PREDICT):
        return "predict", answer_prediction
    return {
        "/v1/chat/completions": ("chat", answer_chat),
        "/v1/models": ("models", _models),
        "/feedback": ("feedback", _feedback),
    }[path]


def _refusing(status: int, code: str, message: str) -> Handler:
    async def refuse(_: Gateway, __: Exchange) -> Response:
        raise Problem(status, code, message)

    return refuse


async def _models(gateway: Gateway, exchange: Exchange) -> Response:
    await identify(gateway, exchange)
    models = [
        {"id": name, "object": "model", "created": 0, "owned_by": "groundplan"}
        for name in gateway.feature(exchange).models
    ]
    return JSONResponse({"object": "list", "data": models})


async def _feedback(gateway: Gateway, exchange: Exchange) -> Response:
    await identify(gateway, exchange)
    feedback = read_feedback(await read_body(gateway, exchange, ("application/json",)))
    if await gateway.ledger.owner(feedback.request_id) != exchange.tenant:
        # The same for what does not exist and what is another's: who asks learns nothing.
        raise Problem(404, "unknown_request", "This tenant made no such request.", param="request_id")
    gateway.sink(
        {
            "schema": FEEDBACK_SCHEMA,
            "time": exchange.at.isoformat(timespec="milliseconds"),
            "tenant": exchange.tenant,
            "feature": exchange.feature,
            **feedback.model_dump(),
        }
    )
    return JSONResponse({"request_id": feedback.request_id, "accepted": True}, 202)
