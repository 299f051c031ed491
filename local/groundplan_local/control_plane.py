"""What moto leaves out of SageMaker's registry: events, defaults, and the calls that end things."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from groundplan_local.bridge import Answer, Call, Moto, answer_error, answer_json
from groundplan_local.events import emit
from groundplan_local.joints import account_and_region, joint

Document = dict[str, Any]


class ControlPlane:
    """moto's SageMaker, mended call by call."""

    def __init__(self, moto: Moto) -> None:
        self._moto = moto
        self._mended: dict[str, Callable[[Call], Answer]] = {
            "CreateModelPackage": self._create_package,
            "UpdateModelPackage": self._update_package,
            "DeleteModelPackage": self._delete_package,
            "DeleteModelPackageGroup": self._delete_group,
        }

    def answer(self, call: Call) -> Answer:
        """moto's answer, with what AWS does besides."""
        return self._mended.get(call.operation, self._moto.call)(call)

    # Model packages -------------------------------------------------------------------------------------------

    def _create_package(self, call: Call) -> Answer:
        asked = call.parameters()
        if "ModelPackageGroupName" in asked:
            asked.setdefault("ModelApprovalStatus", "PendingManualApproval")
        answer = self._moto.call(_with_body(call, asked))
        if answer[0] == 200:
            self._tell_package(call, json.loads(answer[2])["ModelPackageArn"])
        return answer

    def _update_package(self, call: Call) -> Answer:
        asked = call.parameters()
        status, _, body = found = self._ask(call, "DescribeModelPackage", ModelPackageName=asked["ModelPackageArn"])
        if status != 200:
            return found
        # What a call does not mention stays as it is; moto would clear it.
        before: Document = json.loads(body)
        for name in ("ModelApprovalStatus", "ApprovalDescription"):
            if name in before:
                asked.setdefault(name, before[name])
        properties: Document = before.get("CustomerMetadataProperties", {})
        asked["CustomerMetadataProperties"] = properties | asked.get("CustomerMetadataProperties", {})
        answer = self._moto.call(_with_body(call, asked))
        if answer[0] == 200:
            self._tell_package(call, asked["ModelPackageArn"])
        return answer

    def _delete_package(self, call: Call) -> Answer:
        packages: Document = _store("model_packages")
        if packages.pop(call.parameters()["ModelPackageName"], None) is None:
            return answer_error("ValidationException", "Requested resource not found.")
        return answer_json({})

    def _delete_group(self, call: Call) -> Answer:
        name: str = call.parameters()["ModelPackageGroupName"]
        groups: Document = _store("model_package_groups")
        if name not in groups:
            return answer_error("ValidationException", f"ModelPackageGroup {name} does not exist.")
        packages: Document = _store("model_packages")
        if any(package.model_package_group_name == name for package in packages.values()):
            return answer_error("ConflictException", f"ModelPackageGroup {name} still holds model packages.")
        del groups[name]
        return answer_json({})

    def _tell_package(self, call: Call, arn: str) -> None:
        package = self._described(call, "DescribeModelPackage", ModelPackageName=arn)
        for name in ("CreationTime", "LastModifiedTime"):
            if name in package:
                time = datetime.fromtimestamp(package[name], UTC)
                package[name] = time.isoformat(timespec="seconds").replace("+00:00", "Z")
        emit(*account_and_region(), "SageMaker Model Package State Change", package, arn)

    # ----------------------------------------------------------------------------------------------------------

    def _ask(self, call: Call, operation: str, **parameters: str) -> Answer:
        headers = {**call.headers, "x-amz-target": f"SageMaker.{operation}"}
        return self._moto.call(_with_body(replace(call, headers=headers), parameters))

    def _described(self, call: Call, operation: str, **parameters: str) -> Document:
        status, _, body = self._ask(call, operation, **parameters)
        return json.loads(body) if status == 200 else {}


def _with_body(call: Call, parameters: Mapping[str, Any]) -> Call:
    return replace(call, body=json.dumps(parameters).encode())


def _store(name: str) -> Document:
    account, region = account_and_region()
    return getattr(joint("moto.backends", "get_backend")("sagemaker")[account][region], name)
