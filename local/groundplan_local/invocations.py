"""How functions are invoked when nobody waits for the answer: retries, dead letters, destinations, error names.

ministack retries what its API invokes, but neither what EventBridge and SNS deliver nor what is undeliverable, and it
puts the record of a destination into dead-letter queues, where AWS puts the event itself.
"""

import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from groundplan_local.connections import connect
from groundplan_local.joints import joint, mend

LAMBDA = "ministack.services.lambda_svc"
EVENTS = "ministack.services.eventbridge"
SNS = "ministack.services.sns"
# AWS waits one minute before the first retry and two before the second.
RETRY_SECONDS = 0.2
RETRIES = 2
# Whoever finds no execution free waits for one, on AWS up to six hours:
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
THROTTLED_SECONDS = 120.0
EXCEPTION = re.compile(r"([A-Za-z_][\w.]*)(:|$)")
MAX_ERROR = 1024  # characters of an error message in an attribute

logger = logging.getLogger(__name__)


def install() -> None:
    """Put the repairs in place."""
    mend(LAMBDA, "invoke_async_with_retry", invoke_later)
    mend(LAMBDA, "_execute_function_warm", _naming_errors(joint(LAMBDA, "_execute_function_warm")))
    mend(EVENTS, "_dispatch_to_lambda", _deliver_to_function)
    mend(SNS, "_deliver_to_lambda", _deliver_from_topic)
    mend(EVENTS, "_invoke_target", _with_dead_letters(joint(EVENTS, "_invoke_target")))


def invoke_later(function: Mapping[str, Any], event: Any) -> None:
    """Invoke without waiting; a function that fails is retried, then the event goes where the function says."""
    threading.Thread(target=_invoke, args=(function, event), name="asynchronous invocation", daemon=True).start()


def _invoke(function: Mapping[str, Any], event: Any) -> None:
    arn: str = function["config"]["FunctionArn"]
    config = _invoke_config(function)
    retries = int(config.get("MaximumRetryAttempts", RETRIES))
    result: Mapping[str, Any] = {}
    throttled_until = time.monotonic() + THROTTLED_SECONDS
    for attempt in range(retries + 1):
        time.sleep(RETRY_SECONDS if attempt else 0)
        result = _execute(function, event)
        while result.get("throttle") and time.monotonic() < throttled_until:
            time.sleep(RETRY_SECONDS)
            result = _execute(function, event)
        if not (result.get("error") or result.get("throttle")):
            break
    failed = bool(result.get("error") or result.get("throttle"))
    dead_letters: str = function["config"].get("DeadLetterConfig", {}).get("TargetArn", "")
    destinations: Mapping[str, Mapping[str, str]] = config.get("DestinationConfig", {})
    destination = destinations.get("OnFailure" if failed else "OnSuccess", {}).get("Destination", "")
    if failed and not dead_letters and not destination:
        logger.error("%s failed %d times; its event is lost: it has no dead-letter queue", arn, retries + 1)
    try:
        if failed and dead_letters:
            error = _body(result)
            attributes = {"RequestID": str(uuid.uuid4()), "ErrorCode": "200", "ErrorMessage": error["errorMessage"]}
            send(dead_letters, json.dumps(event), attributes)
        if destination:
            send(destination, json.dumps(_record(arn, event, result, retries + 1 if failed else 1)), {})
    except Exception:
        logger.exception("the event of %s could not be put aside", arn)


def _execute(function: Mapping[str, Any], event: Any) -> Mapping[str, Any]:
    try:
        return joint(LAMBDA, "_execute_function_with_config_scope")(function, event)
    except Exception as error:
        logger.exception("invocation of %s", function["config"]["FunctionArn"])
        return {"error": True, "body": {"errorType": type(error).__name__, "errorMessage": str(error)}}


def _invoke_config(function: Mapping[str, Any]) -> Mapping[str, Any]:
    configs: Mapping[str, Mapping[str, Any]] = function.get("event_invoke_configs") or {}
    version: str = function["config"].get("Version", "$LATEST")
    return configs.get(version) or configs.get("") or function.get("event_invoke_config") or {}


def _body(result: Mapping[str, Any]) -> dict[str, str]:
    body: Any = result.get("body")
    message = str(body.get("errorMessage", "")) if isinstance(body, dict) else str(body)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    return {"errorMessage": message[:MAX_ERROR] or "unknown"}


def _record(arn: str, event: Any, result: Mapping[str, Any], count: int) -> dict[str, Any]:
    """What a destination receives: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
    failed = bool(result.get("error") or result.get("throttle"))
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": f"{arn}:$LATEST",
            "condition": "RetriesExhausted" if failed else "Success",
            "approximateInvokeCount": count,
        },
        "requestPayload": event,
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            **({"functionError": "Unhandled"} if failed else {}),
        },
        "responsePayload": result.get("body"),
    }


def send(arn: str, body: str, attributes: Mapping[str, str]) -> None:
    """A message to a queue, a topic, a function or a bus, in the account that the ARN names."""
    _, _, service, region, account, name = arn.split(":", 5)
    client = connect(service, account, region)
    typed = {key: {"DataType": "String", "StringValue": value[:MAX_ERROR]} for key, value in attributes.items()}
    if service == "sqs":
        url = client.get_queue_url(QueueName=name)["QueueUrl"]
        client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=typed)
    elif service == "sns":
        client.publish(TopicArn=arn, Message=body, MessageAttributes=typed)
    elif service == "lambda":
        client.invoke(FunctionName=arn, InvocationType="Event", Payload=body.encode())
    elif service == "events":
        record: Mapping[str, Any] = json.loads(body)
        kind = f"Lambda Function Invocation Result - {record['requestContext']['condition']}"
        entry = {"Source": "lambda", "DetailType": kind, "Detail": body, "EventBusName": name.partition("/")[2]}
        client.put_events(Entries=[entry])
    else:
        raise ValueError(f"{arn} cannot receive what failed: {service} is not emulated as a destination")


def _deliver_to_function(arn: str, payload: str) -> None:
    """EventBridge invokes its functions asynchronously, as every caller that does not wait."""
    function, config, _ = joint(LAMBDA, "_get_func_record_for_ref")(arn)
    invoke_later(joint(LAMBDA, "_execution_record_for_config")(function, config), json.loads(payload))


def _deliver_from_topic(arn: str, envelope: str, _topic: str, subscription: str, *_: Any) -> None:
    """SNS invokes its functions so, too."""
    record = {"EventVersion": "1.0", "EventSubscriptionArn": subscription, "EventSource": "aws:sns"}
    event = {"Records": [record | {"Sns": json.loads(envelope)}]}
    if _exists(arn):
        _deliver_to_function(arn, json.dumps(event))
    else:
        logger.error("subscription %s: %s does not exist; the message is lost", subscription, arn)


def _with_dead_letters(invoke_target: Callable[..., None]) -> Callable[..., None]:
    """An event whose target does not exist goes to the target's dead-letter queue."""

    def invoke(target: Mapping[str, Any], event: Any, rule: Mapping[str, Any], view: Any = None) -> None:
        arn: str = target.get("Arn", "")
        if _exists(arn):
            invoke_target(target, event, rule, view)
            return
        queue: str = target.get("DeadLetterConfig", {}).get("Arn", "")
        if not queue:
            logger.error("rule %s: %s does not exist; the event is lost", rule.get("Name"), arn)
            return
        view = view or joint(EVENTS, "_pattern_event_view")(event)
        attributes = {
            "RULE_ARN": rule.get("Arn", ""),
            "TARGET_ARN": arn,
            "ERROR_CODE": "RESOURCE_NOT_FOUND",
            "ERROR_MESSAGE": f"{arn} does not exist",
        }
        body = json.dumps(view.event_with_detail())
        # On a thread: events are also dispatched on the server's loop, which must not wait for itself.
        threading.Thread(target=send, args=(queue, body, attributes), name="dead letter", daemon=True).start()

    return invoke


def _exists(arn: str) -> bool:
    service = [*arn.split(":"), "", "", ""][2]
    if service == "lambda":
        return joint(LAMBDA, "_get_func_record_for_ref")(arn)[0] is not None
    if service == "sqs":
        return joint("ministack.services.sqs", "_queue_by_arn")(arn) is not None
    if service == "sns":
        return arn in joint("ministack.services.sns", "_topics")
    return True


def _naming_errors(execute: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The exception's own name as errorType, as Lambda reports it: a state machine's Retry and Catch match on it."""

    def run(function: Any, event: Any, request_id: str) -> dict[str, Any]:
        result = execute(function, event, request_id)
        body: Any = result.get("body")
        if result.get("error") and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":  # pyright: ignore[reportUnknownMemberType]
            last_line = str(result.get("log", "")).strip().rpartition("\n")[2]
            if name := EXCEPTION.match(last_line):
                body["errorType"] = name[1].rpartition(".")[2]
        return result

    return run
