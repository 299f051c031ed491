"""IAM enforced: what ministack's own enforcement lets through, or judges by other names than AWS.

Switched on, ministack judges requests by the caller's policies, boundary, tags and the trust of roles. It knows no
action of the services that moto answers, asks Bedrock's runtime for actions that AWS does not have, without its
condition keys, takes a session's ARN for its role's, and every call for one without TLS.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from groundplan_local.bridge import BRIDGED, Answer, Call, Handler
from groundplan_local.bucket_policies import role_of
from groundplan_local.joints import account_and_region, joint, mend

APP, EVALUATOR = "ministack.app", "ministack.core.iam_evaluator"
RUNTIME = "bedrock-runtime"
INVOKE = re.compile(r"/model/(.+)/(converse|converse-stream|invoke|invoke-with-response-stream)")
APPLY = re.compile(r"/guardrail/(.+)/version/[^/]+/apply")
# Inference profiles across regions are called after their model and where they route to.
GEOGRAPHY = re.compile(r"(?:apac|au|ca|eu|global|jp|us|us-gov)\.(?=[a-z0-9-]+\.)")
PREDICT = re.compile(r"/endpoints/([^/]+)/(invocations|async-invocations|invocations-response-stream)")
PREDICTIONS = {
    "invocations": "InvokeEndpoint",
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}


@dataclass(frozen=True)
class Question:
    """May the caller do this? A request is answered if every one of its questions is."""

    action: str
    resource: str
    keys: Mapping[str, str] = field(default_factory=dict[str, str])


def install() -> None:
    """Let requests be judged as AWS judges them. ministack reads once, when it is imported, whether it judges."""
    _ = joint("ministack.core.iam_actions", "SERVICE_TO_IAM_NAMESPACE").pop(RUNTIME)  # judged here alone
    handlers = joint(APP, "SERVICE_HANDLERS")
    handlers[RUNTIME] = _judged(RUNTIME, handlers[RUNTIME], asked_of_bedrock)
    for service in BRIDGED:
        handlers[service] = _judged(service, handlers[service], asked_of_bridged)
    resolve, pin = joint(EVALUATOR, "_resolve_condition_key"), joint(APP, "pin_request_origin")

    def resolve_condition_key(key: str, ctx: Any) -> Any:
        if key.lower() == "aws:principalarn":
            return role_of(ctx.principal_arn) or ctx.principal_arn
        return resolve(key, ctx)

    def pin_request_origin(source_ip: str, secure_transport: bool) -> None:
        del secure_transport  # loopback stands for TLS here, as the one host stands for all of AWS
        pin(source_ip, True)

    mend(EVALUATOR, "_resolve_condition_key", resolve_condition_key)
    mend(APP, "pin_request_origin", pin_request_origin)


def asked_of_bridged(call: Call) -> Iterator[Question]:
    """Endpoints are judged by name; everything else on `*`, so that a policy that names its resource refuses it."""
    account, region = account_and_region()
    if predicted := PREDICT.fullmatch(call.path):
        endpoint = f"arn:aws:sagemaker:{region}:{account}:endpoint/{predicted[1]}"
        yield Question(f"sagemaker:{PREDICTIONS[predicted[2]]}", endpoint)
    else:
        yield Question(f"{call.service}:{call.operation or 'Unnamed'}", "*")


def asked_of_bedrock(call: Call) -> Iterator[Question]:
    """The model, with the profile that leads to it, and the guardrail.

    https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html
    https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-permissions.html
    """
    if applied := APPLY.fullmatch(call.path):
        yield Question("bedrock:ApplyGuardrail", _guardrail(applied[1]))
        return
    invoked = INVOKE.fullmatch(call.path)
    action = f"bedrock:InvokeModel{'WithResponseStream' if invoked and 'stream' in invoked[2] else ''}"
    if not invoked:
        yield Question(action, "*")
        return
    identifier, version = _named_guardrail(call, invoked[2])
    keys: dict[str, str] = {}
    if identifier:
        guardrail = _guardrail(identifier)
        keys["bedrock:GuardrailIdentifier"] = guardrail if version in ("", "DRAFT") else f"{guardrail}:{version}"
        yield Question("bedrock:ApplyGuardrail", guardrail)
    model = _model(invoked[1])
    yield Question(action, model, keys)
    for routed in _routed(model):
        yield Question(action, routed, {**keys, "bedrock:InferenceProfileArn": model})


def _named_guardrail(call: Call, verb: str) -> tuple[str, str]:
    """Identifier and version: of the body for Converse, of the headers for InvokeModel."""
    if verb.startswith("invoke"):
        name = "x-amzn-bedrock-guardrail"
        return call.headers.get(f"{name}identifier", ""), call.headers.get(f"{name}version", "")
    try:
        named: Any = call.parameters().get("guardrailConfig") or {}
        return str(named.get("guardrailIdentifier", "")), str(named.get("guardrailVersion", ""))
    except (ValueError, AttributeError):  # no object: Bedrock will say so to whoever may ask
        return "", ""


def _guardrail(identifier: str) -> str:
    account, region = account_and_region()
    if identifier.startswith("arn:"):
        return identifier
    return f"arn:aws:bedrock:{region}:{account}:guardrail/{identifier}"


def _model(identifier: str) -> str:
    account, region = account_and_region()
    if identifier.startswith("arn:"):
        return identifier
    if GEOGRAPHY.match(identifier):
        return f"arn:aws:bedrock:{region}:{account}:inference-profile/{identifier}"
    return f"arn:aws:bedrock:{region}::foundation-model/{identifier}"


def _routed(arn: str) -> Iterator[str]:
    """The models that a profile leads to; of one across regions, the one of this region alone."""
    kind, _, name = arn.split(":", 5)[-1].partition("/")
    if kind == "inference-profile":
        yield _model(GEOGRAPHY.sub("", name))
    elif kind == "application-inference-profile":
        profile: dict[str, Any] = joint("ministack.services.bedrock", "_inference_profiles_apps").get(name) or {}
        for source in profile.get("Models", ()):
            yield from list(_routed(source["ModelArn"])) or [source["ModelArn"]]


def _judged(service: str, handle: Handler, questions: Callable[[Call], Iterator[Question]]) -> Handler:
    """`handle`, for whom every question is answered with yes; for others AWS's refusal."""
    enforce = joint(APP, "_enforce_data_plane")

    async def answer(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> Answer:
        for asked in questions(Call(service, method, path, headers, body, query)):
            refusal = enforce(service, asked.action, headers, query, "", asked.resource, dict(asked.keys))
            if refusal:
                return refusal
        return await handle(method, path, headers, body, query)

    return answer
