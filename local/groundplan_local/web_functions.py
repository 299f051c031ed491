"""Functions that are web servers behind the Lambda Web Adapter, and the APIs that stream what they answer.

The layer with the adapter has no content here; ministack knows streaming integrations under no name, and looks for an
API in the account that a request is signed for, while who calls an API signs nothing.
"""

from collections.abc import Mapping
from typing import Any

from groundplan_local.joints import joint, mend
from groundplan_local.web_adapter import START_SCRIPT

RUNTIME, APIS = "ministack.core.lambda_runtime", "ministack.services.apigateway_v1"
WRAPPER = "/opt/bootstrap"  # the adapter's: https://awslabs.github.io/aws-lambda-web-adapter/
_STREAMED, _WHOLE = "/response-streaming-invocations", "/invocations"


def install() -> None:
    """Put the repairs in place."""
    chosen, function_of = joint(RUNTIME, "_worker_class_for"), joint(APIS, "_extract_lambda_ref_from_integration_uri")
    adapted = _adapted(joint(RUNTIME, "Worker"))

    def worker_class_for(config: Mapping[str, Any]) -> Any:
        return adapted if _variables(config).get("AWS_LAMBDA_EXEC_WRAPPER") == WRAPPER else chosen(config)

    mend(RUNTIME, "_worker_class_for", worker_class_for)

    def function_in(uri: str) -> str:
        return function_of(uri.replace(_STREAMED, _WHOLE))

    def scope_of(api_id: str) -> tuple[str, str] | None:
        found = (key for key, _ in joint(APIS, "_rest_apis").all_items() if key[2] == api_id)
        return next(((account, region) for account, region, _ in found), None)

    mend(APIS, "_extract_lambda_ref_from_integration_uri", function_in)
    mend(APIS, "find_api_scope", scope_of)


def _variables(config: Mapping[str, Any]) -> Mapping[str, str]:
    return config.get("Environment", {}).get("Variables", {})


def _adapted(worker: Any) -> Any:
    class Adapted(worker):
        """A process whose handler is the adapter, which starts what the function calls its handler."""

        def __init__(self, func_name: str, config: Mapping[str, Any], code_zip: bytes) -> None:
            variables = {**_variables(config), START_SCRIPT: config["Handler"]}
            given = {**config, "Handler": "groundplan_local.web_adapter.handler"}
            worker.__init__(self, func_name, {**given, "Environment": {"Variables": variables}}, code_zip)

    return Adapted
