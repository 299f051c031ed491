"""A REST API before one function: identity, throttle, access log, streamed answers, errors in the API's own shape."""

import json
from dataclasses import dataclass
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from groundplan_constructs.acknowledgement import acknowledge

STAGE = "live"
# What API Gateway answers itself, in the shape that OpenAI's clients read.
_REFUSALS = {
    "UNAUTHORIZED": ("401", "authentication_error", "missing_token"),
    "EXPIRED_TOKEN": ("401", "authentication_error", "token_expired"),
    "MISSING_AUTHENTICATION_TOKEN": ("404", "not_found_error", "unknown_path"),  # what it says of a path it lacks
    "ACCESS_DENIED": ("403", "permission_error", "access_denied"),
    "WAF_FILTERED": ("403", "permission_error", "filtered"),
    "THROTTLED": ("429", "rate_limit_error", "rate_limit_exceeded"),
    "REQUEST_TOO_LARGE": ("413", "invalid_request_error", "body_too_large"),
    "INTEGRATION_TIMEOUT": ("504", "server_error", "deadline_exceeded"),
}
# Who, when, how much and how it ended; nothing of what was said, and no token.
_LOGGED = {
    "request_id": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "address": "$context.identity.sourceIp",
    "caller": "$context.authorizer.claims.sub",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "error": "$context.error.responseType",
    "firewall": "$context.waf.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "function_milliseconds": "$context.integration.latency",
}


@dataclass(frozen=True, kw_only=True)
class StreamingApiProps:
    """Rates are requests a second, over all callers."""

    name: str
    function: lambda_.IFunction
    callers: cognito.IUserPool
    encryption_key: kms.IKey
    log_retention_days: int
    rate: int
    burst: int


class StreamingApi(Construct):
    """Whatever the path, the function answers: it knows which there are. `url` ends in a slash."""

    def __init__(self, scope: Construct, construct_id: str, *, props: StreamingApiProps) -> None:
        super().__init__(scope, construct_id)
        group = logs.LogGroup(
            self, "Logs", encryption_key=props.encryption_key, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        cast(logs.CfnLogGroup, group.node.default_child).retention_in_days = props.log_retention_days
        self.api = apigateway.RestApi(
            self,
            "Resource",
            rest_api_name=props.name,
            description="The one way to models",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            cloud_watch_role=False,
            deploy_options=apigateway.StageOptions(
                stage_name=STAGE,
                throttling_rate_limit=props.rate,
                throttling_burst_limit=props.burst,
                metrics_enabled=True,
                tracing_enabled=True,  # times and statuses; no bodies
                access_log_destination=apigateway.LogGroupLogDestination(group),
                access_log_format=apigateway.AccessLogFormat.custom(json.dumps(_LOGGED)),
            ),
        )
        self._answer(props)
        for kind, (status, error, code) in _REFUSALS.items():
            self.api.add_gateway_response(
                kind.title().replace("_", ""),
                type=apigateway.ResponseType.of(kind),
                status_code=status,
                templates={"application/json": _refusal(error, code)},
            )
        self.stage = self.api.deployment_stage
        self.url = self.api.url
        self._acknowledge()

    def _answer(self, props: StreamingApiProps) -> None:
        authorizer = apigateway.CognitoUserPoolsAuthorizer(
            self, "Callers", cognito_user_pools=[props.callers], results_cache_ttl=cdk.Duration.minutes(5)
        )
        self.api.root.add_resource("{proxy+}").add_method(
            "ANY",
            apigateway.LambdaIntegration(
                props.function,
                response_transfer_mode=apigateway.ResponseTransferMode.STREAM,
                allow_test_invoke=False,
            ),
            authorization_type=apigateway.AuthorizationType.COGNITO,
            authorizer=authorizer,
        )

    def _acknowledge(self) -> None:
        acknowledge(
            self.api,
            "The function checks each request against its own shapes, and says which field is wrong.",
            "AwsSolutions-APIG2",
        )
        acknowledge(
            self.stage,
            "The access log has every request; API Gateway's own log could hold what was asked and answered.",
            "AwsSolutions-APIG6",
            "NIST.800.53.R5-APIGWExecutionLoggingEnabled",
            "PCI.DSS.321-APIGWExecutionLoggingEnabled",
        )
        acknowledge(
            self.stage,
            "An answer is one caller's own: nothing is cached between callers.",
            "NIST.800.53.R5-APIGWCacheEnabledAndEncrypted",
            "PCI.DSS.321-APIGWCacheEnabledAndEncrypted",
            "CKV_AWS_120",
        )
        acknowledge(
            self.stage,
            "What is behind it is a function, which API Gateway invokes by IAM and not by a certificate.",
            "NIST.800.53.R5-APIGWSSLEnabled",
            "PCI.DSS.321-APIGWSSLEnabled",
        )


def _refusal(error: str, code: str) -> str:
    # messageString brings its own quotes.
    body = json.dumps({"error": {"message": "?", "type": error, "param": None, "code": code}})
    return body.replace('"?"', "$context.error.messageString")
