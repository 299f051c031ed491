"""The company's IAM path for every role and managed policy of a scope, whoever makes them."""

from collections.abc import Mapping

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from constructs import Construct


@jsii.implements(cdk.IPropertyInjector)
class _Path:
    def __init__(self, construct_unique_id: str, path: str) -> None:
        self._construct_unique_id, self._path = construct_unique_id, path

    @property
    def construct_unique_id(self) -> str:
        return self._construct_unique_id

    def inject(self, original_props: Mapping[str, object], *, id: str, scope: Construct) -> Mapping[str, object]:  # noqa: A002, ARG002
        return {**original_props, "path": self._path}


def keep_iam_path(scope: Construct, path: str) -> None:
    """Give every role and managed policy made below `scope` from now on the path, such as `/ai/platform/`."""
    if path != "/":  # what IAM does by itself, and a call from JavaScript for each role is spared
        kinds = (iam.Role.PROPERTY_INJECTION_ID, iam.ManagedPolicy.PROPERTY_INJECTION_ID)
        cdk.PropertyInjectors.of(scope).add(*(_Path(kind, path) for kind in kinds))
