"""The network of an environment's ai account: one of its own without a way to the internet, or the company's."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from groundplan.refusal import Disallowed
from groundplan.text import matching
from groundplan.toml_file import Values

# Names of interface endpoints after `com.amazonaws.<region>.`, and the IAM prefix of what goes through each. The two
# gateway endpoints, S3 and DynamoDB, are free and always there.
# Source: https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
INTERFACE_ENDPOINTS: dict[str, str] = {
    "bedrock": "bedrock",
    "bedrock-runtime": "bedrock",
    "ecr.api": "ecr",
    "ecr.dkr": "ecr",
    "events": "events",
    "kms": "kms",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "sagemaker.api": "sagemaker",
    "sagemaker.experiments": "sagemaker-mlflow",
    "sagemaker.runtime": "sagemaker",
    "ssm": "ssm",
    "states": "states",
    "sts": "sts",
}
# MLflow's: https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-private-link.html
_OTHERWISE = {"sagemaker.experiments": "aws.sagemaker.{region}.experiments"}
LARGEST_PREFIX, SMALLEST_PREFIX = 16, 22  # AWS allows a VPC /16 to /28; three subnets of use need /22 at least


def endpoint_service(name: str, region: str) -> str:
    """What PrivateLink calls the service of an endpoint: `com.amazonaws.us-east-1.kms`."""
    return _OTHERWISE.get(name, f"com.amazonaws.{{region}}.{name}").format(region=region)


def _block(value: str) -> str:
    try:
        block = ipaddress.IPv4Network(value)
    except ValueError:
        raise ValueError("allowed: an IPv4 block such as 10.20.0.0/16, with no bit set after its prefix") from None
    if not block.is_private or not LARGEST_PREFIX <= block.prefixlen <= SMALLEST_PREFIX:
        raise ValueError(f"allowed: a private IPv4 block from /{LARGEST_PREFIX} to /{SMALLEST_PREFIX}")
    return value


class Network(Values):
    """A VPC that the platform makes. Each interface endpoint is paid for by the hour in each zone."""

    cidr: Annotated[str, AfterValidator(_block)]
    zones: Annotated[int, Field(ge=2, le=3)]
    interface_endpoints: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @field_validator("interface_endpoints")
    @classmethod
    def _endpoints_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in INTERFACE_ENDPOINTS or value.count(name) > 1:
                raise Disallowed(
                    name,
                    f"allowed, each once: {', '.join(INTERFACE_ENDPOINTS)}; s3 and dynamodb are there by themselves",
                )
        return value


def _id(kind: str) -> AfterValidator:
    return matching(rf"{kind}-[0-9a-f]{{8,17}}", f"allowed: {kind}- and 8 to 17 hex digits")


class ExistingNetwork(Values):
    """A VPC of the company, in the ai account and the environment's region; nothing in it is changed."""

    vpc_id: Annotated[str, _id("vpc")]
    subnet_ids: Annotated[tuple[Annotated[str, _id("subnet")], ...], Field(strict=False, min_length=2, max_length=6)]
    security_group_ids: Annotated[
        tuple[Annotated[str, _id("sg")], ...], Field(strict=False, min_length=1, max_length=5)
    ]

    @model_validator(mode="after")
    def _each_once(self) -> "ExistingNetwork":
        for field in ("subnet_ids", "security_group_ids"):
            ids: tuple[str, ...] = getattr(self, field)
            for one in ids:
                if ids.count(one) > 1:
                    raise Disallowed(one, "allowed: each id once", field=f"existing_network.{field}")
        return self
