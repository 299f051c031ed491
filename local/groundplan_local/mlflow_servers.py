"""SageMaker's managed MLflow: a tracking server is MLflow's own server on this machine, behind AWS's front door.

Calls of the SageMaker API make, show and end tracking servers. Calls of MLflow's REST API come as on AWS, signed for
`sagemaker-mlflow` and with the server's ARN in a header, and are handed on.
"""

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from groundplan_local.bridge import Answer, Call, answer_error, answer_json
from groundplan_local.connections import tags_as_mapping
from groundplan_local.joints import account_and_region
from groundplan_local.mlflow_process import MlflowProcess
from groundplan_local.shapes import InvalidRequestError, check_request

# Source: https://github.com/aws/sagemaker-mlflow, the plug-in by which MLflow's client finds and signs its way.
ARN_HEADER = "x-mlflow-sm-tracking-server-arn"
KIND = ":mlflow-tracking-server/"
Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class TrackingServer:
    """What was asked for, and the process that answers."""

    arn: str
    request: Parameters
    created: datetime
    tags: dict[str, str]
    process: MlflowProcess

    def describe(self) -> dict[str, Any]:
        """DescribeMlflowTrackingServer. It is being created until it answers, which nobody waits for."""
        up = self.process.answers()
        return {
            "TrackingServerArn": self.arn,
            "TrackingServerName": self.request["TrackingServerName"],
            "ArtifactStoreUri": self.request["ArtifactStoreUri"],
            "RoleArn": self.request["RoleArn"],
            "TrackingServerSize": self.request.get("TrackingServerSize", "Small"),
            "TrackingServerStatus": "Created" if up else "Creating",
            "IsActive": "Active" if up else "Inactive",
            "TrackingServerUrl": self.process.url,
            "AutomaticModelRegistration": self.request.get("AutomaticModelRegistration", False),
            "CreationTime": self.created.timestamp(),
            "LastModifiedTime": self.created.timestamp(),
        }


class MlflowServers:
    """The tracking servers of all accounts and regions."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._servers: dict[str, TrackingServer] = {}
        self._lock = threading.Lock()
        self._operations: dict[str, Callable[[Parameters], dict[str, Any]]] = {
            "CreateMlflowTrackingServer": self._create,
            "DescribeMlflowTrackingServer": lambda given: self._find(_arn(given["TrackingServerName"])).describe(),
            "DeleteMlflowTrackingServer": self._delete,
            "ListTags": lambda given: {"Tags": _as_list(self._find(given["ResourceArn"]).tags)},
            "AddTags": self._add_tags,
            "DeleteTags": self._delete_tags,
        }

    def answer(self, call: Call) -> Answer | None:
        """The answer to a call about a tracking server; None for any other."""
        if call.service == "sagemaker-mlflow":
            return self._hand_on(call)
        if call.operation not in self._operations:
            return None
        parameters = call.parameters()
        if "ResourceArn" in parameters and KIND not in parameters["ResourceArn"]:
            return None
        try:
            check_request("sagemaker", call.operation, parameters)
            return answer_json(self._operations[call.operation](parameters))
        except InvalidRequestError as error:
            return answer_error("ValidationException", str(error))
        except KeyError as error:
            return answer_error("ResourceNotFound", f"{error.args[0]} does not exist.")
        except FileExistsError as error:
            return answer_error("ConflictException", str(error))
        except FileNotFoundError as error:
            return answer_error("NotEmulated", str(error))

    def close(self) -> None:
        """End every server; what they stored is gone with them."""
        with self._lock:
            servers = list(self._servers.values())
            self._servers.clear()
        for server in servers:
            server.process.end()

    def _create(self, request: Parameters) -> dict[str, Any]:
        name: str = request["TrackingServerName"]
        arn, (account, region) = _arn(name), account_and_region()
        with self._lock:
            if arn in self._servers:
                raise FileExistsError(f"A tracking server with this name already exists: {arn}")
            self._servers[arn] = TrackingServer(
                arn=arn,
                request=dict(request),
                created=datetime.now(UTC),
                tags=tags_as_mapping(request.get("Tags", [])),
                process=MlflowProcess(self._root / account / region / name),
            )
        return {"TrackingServerArn": arn}

    def _delete(self, parameters: Parameters) -> dict[str, Any]:
        server = self._find(_arn(parameters["TrackingServerName"]))
        with self._lock:
            self._servers.pop(server.arn, None)
        server.process.end()
        return {"TrackingServerArn": server.arn}

    def _add_tags(self, parameters: Parameters) -> dict[str, Any]:
        tags = self._find(parameters["ResourceArn"]).tags
        tags.update(tags_as_mapping(parameters["Tags"]))
        return {"Tags": _as_list(tags)}

    def _delete_tags(self, parameters: Parameters) -> dict[str, Any]:
        tags = self._find(parameters["ResourceArn"]).tags
        for name in parameters["TagKeys"]:
            tags.pop(name, None)
        return {}

    def _find(self, arn: str) -> TrackingServer:
        with self._lock:
            return self._servers[arn]

    def _hand_on(self, call: Call) -> Answer:
        arn = call.headers.get(ARN_HEADER, "")
        here = ":".join(reversed(account_and_region()))
        try:
            # Of the account that signed: another one's server is as if it were not there.
            server = self._find(arn if f":{here}:" in arn else "")
        except KeyError:
            return answer_error(
                "ResourceNotFound", f"{ARN_HEADER}: there is no tracking server {arn or '(none given)'}"
            )
        if not server.process.wait():
            return answer_error("InternalFailure", f"{arn} did not start: {server.process.last_words()}")
        query = urlencode(call.query, doseq=True)
        request = urllib.request.Request(  # noqa: S310 - the process's own address, on loopback
            f"{server.process.url}{call.path}{'?' if query else ''}{query}",
            data=call.body or None,
            headers={"Content-Type": call.headers.get("content-type", "application/json")},
            method=call.method,
        )
        # A proxy of the environment must not stand between this machine and itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, {"Content-Type": "application/json"}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {"Content-Type": "application/json"}, error.read()
        except OSError as error:
            return 503, {"Content-Type": "application/json"}, f'{{"message": "{type(error).__name__}"}}'.encode()


def _arn(name: str) -> str:
    account, region = account_and_region()
    return f"arn:aws:sagemaker:{region}:{account}{KIND}{name}"


def _as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
