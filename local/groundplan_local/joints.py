"""Where this package reaches into ministack and moto: every private name, listed once.

Neither project promises these names, so both are pinned exactly and a contract test compares this list with what
is installed. The modules are loaded by name, and late: ministack reads its settings when it is imported, and
neither project carries types, so what comes from here is `Any` and is narrowed by the one module that uses it.
"""

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

# module -> name -> its parameters, as `parameters_of` writes them; None for what is not called
JOINTS: dict[str, dict[str, str | None]] = {
    "ministack.app": {
        "SERVICE_HANDLERS": None,
        "_enforce_data_plane": "service, iam_action, headers, query_params, request_id, resource_arn=, "
        "service_context=, auth_error_response=, named_resource=",
        "app": "scope, receive, send",
        "pin_request_origin": "source_ip, secure_transport",
    },
    "ministack.core.concurrency": {"run_reentrant": "fn, *args, thread_name="},
    "ministack.core.iam_actions": {"SERVICE_TO_IAM_NAMESPACE": None},
    "ministack.core.iam_evaluator": {
        "_request_origin": None,
        "_resolve_condition_key": "key, ctx",
        "evaluate_resource_policy": "doc, ctx, service=, named_only=, direct_only=",
        "resolve_principal": "access_key_id, account_id, credential=",
    },
    "ministack.core.lambda_runtime": {
        "Worker": "func_name, config, code_zip",
        "_worker_class_for": "config",
        "execution_credentials": "config",
        "zipfile": None,
    },
    "ministack.core.responses": {
        "error_response_json": "code, message, status=, extra=, message_key=, content_type=",
        "get_account_id": "",
        "get_region": "",
        "request_scope": "account_id, region",
    },
    "ministack.core.router": {"SERVICE_PATTERNS": None, "extract_access_key_id": "headers, query_params="},
    "ministack.services.apigateway_v1": {
        "_extract_lambda_ref_from_integration_uri": "uri",
        "_rest_apis": None,
        "find_api_scope": "api_id",
    },
    "ministack.services.bedrock": {"_inference_profiles_apps": None, "_tags": None},
    "ministack.services.bedrock_runtime": {
        "_converse": "model_id, headers, body",
        "_converse_stream": "model_id, headers, body",
        "_evaluate_guardrail": "rec, source, text",
        "_mock_reply": "model_id, messages, system",
    },
    "ministack.services.cloudformation.provisioners": {
        "_RESOURCE_HANDLERS": None,
        "_cw_metric_alarm_record": "name, props",
        "_physical_name": "stack_name, logical_id, lowercase=, max_len=, seeded=",
    },
    "ministack.services.cloudformation.stacks": {"_runs_on_worker_thread": "resource_type"},
    "ministack.services.cloudwatch": {
        "_alarms": None,
        "_evaluate_alarm": "alarm",
        "_store_datum": "namespace, name, dims, ts, unit, value, values, counts, stat_values",
    },
    "ministack.services.cloudwatch_logs": {
        "_fanout_to_subscription_filters": "group_name, stream_name, events",
        "_log_groups": None,
        "_subscription_pattern_matches": "pattern, message",
    },
    "ministack.services.codebuild": {"_start_build": "data"},
    "ministack.services.eventbridge": {
        "_dispatch_to_lambda": "arn, payload",
        "_invoke_target": "target, event, rule, view=",
        "_pattern_event_view": "event",
        "_put_events": "data, allow_aws_source=",
    },
    "ministack.services.firehose": {
        "_deliver_records_to_s3": "stream, dest, records",
        "_evaluate_prefix": "template, t, query_keys=, lambda_keys=, error_type=",
    },
    "ministack.services.iam": {"_roles": None},
    "ministack.services.lambda_svc": {
        "_execute_function_warm": "func, event, request_id",
        "_execute_function_with_config_scope": "func, event",
        "_execution_record_for_config": "func, config",
        "_get_func_record_for_ref": "function_ref",
        "execution_credentials": "config",
        "invoke_async_with_retry": "func, event",
    },
    "ministack.services.s3": {
        "_foreign_bucket_allows": "owner_account, bucket_name, key, method, query_params, caller, headers=",
    },
    "ministack.services.sns": {
        "_deliver_to_lambda": "endpoint, envelope, topic_arn, sub_arn, msg_id, raw_message, message_attributes",
        "_topics": None,
    },
    "ministack.services.sqs": {"_queue_by_arn": "arn", "_refresh_counts": "q"},
    "ministack.services.stepfunctions": {
        "_AWS_SDK_SERVICE_MAP": None,
        "_ExecutionError": "error, cause",
        "_SERVICE_DISPATCH": None,
    },
    "ministack.services.sts": {"register_session": "access_key, session"},
    "moto.applicationautoscaling.models": {"ScalableDimensionValueSet": None},
    "moto.applicationautoscaling.responses": {"ScalableDimensionValueSet": None},
    "moto.backends": {"get_backend": "name"},
    "moto.core.botocore_stubber": {"BotocoreStubber": ""},
}


class JointMissingError(RuntimeError):
    """A name that this package needs is not where ministack or moto had it."""


def joint(module: str, name: str) -> Any:
    """The object `name` of `module`, both listed in `JOINTS`.

    Raises JointMissingError when the installed version has no such name, KeyError when the list has none.
    """
    _ = JOINTS[module][name]
    try:
        return getattr(import_module(module), name)
    except AttributeError:
        raise JointMissingError(
            f"{module} has no '{name}' in the installed version: local/pyproject.toml pins the one that has it"
        ) from None


def mend(module: str, name: str, replacement: object) -> None:
    """Put `replacement` in the place of a listed name, for every caller inside that module."""
    joint(module, name)
    setattr(import_module(module), name, replacement)


def parameters_of(function: Callable[..., Any]) -> str:
    """A function's parameters in short: `fn, *args, thread_name=`, an equals sign where there is a default."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return ", ".join(
        f"{stars.get(parameter.kind, '')}{name}{'' if parameter.default is inspect.Parameter.empty else '='}"
        for name, parameter in inspect.signature(function).parameters.items()
    )


def account_and_region() -> tuple[str, str]:
    """Of the request that is being answered."""
    return (
        joint("ministack.core.responses", "get_account_id")(),
        joint("ministack.core.responses", "get_region")(),
    )
