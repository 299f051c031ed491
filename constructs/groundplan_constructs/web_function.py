"""A function that is a web server: the Lambda Web Adapter makes requests of invocations, and streams the answers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from groundplan_constructs.python_function import PythonFunction, PythonFunctionProps

# AWS's own layer, the same number in every region of the partition.
# https://awslabs.github.io/aws-lambda-web-adapter/getting-started/zip-packages.html
ADAPTER_ACCOUNT, ADAPTER_VERSION = "753240598075", 26
_ADAPTERS = {"arm64": "LambdaAdapterLayerArm64", "x86_64": "LambdaAdapterLayerX86"}


@dataclass(frozen=True, kw_only=True)
class WebFunctionProps:
    """`function.handler` is the path of an executable script that starts a server on the port AWS_LWA_PORT;
    `readiness_path` answers 200 as soon as it serves."""

    function: PythonFunctionProps
    readiness_path: str


class WebFunction(Construct):
    """One request at a time in each instance, as Lambda has it; what more may it do is added to `permissions`."""

    def __init__(self, scope: Construct, construct_id: str, *, props: WebFunctionProps) -> None:
        super().__init__(scope, construct_id)
        adapted: Mapping[str, str] = {
            "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
            "AWS_LWA_INVOKE_MODE": "response_stream",
            "AWS_LWA_READINESS_CHECK_PATH": props.readiness_path,
            "AWS_LWA_PORT": "8080",
        }
        made = PythonFunction(
            self,
            "Server",
            props=replace(props.function, environment={**adapted, **props.function.environment}),
        )
        adapter = cdk.Stack.of(self).format_arn(
            service="lambda",
            account=ADAPTER_ACCOUNT,
            resource="layer",
            resource_name=f"{_ADAPTERS[props.function.package.lambda_architecture]}:{ADAPTER_VERSION}",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        made.function.add_layers(lambda_.LayerVersion.from_layer_version_arn(self, "Adapter", adapter))
        self.function, self.role, self.permissions = made.function, made.role, made.permissions
        self.log_group = made.log_group
