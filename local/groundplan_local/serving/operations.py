"""The operations of SageMaker's API about models, configurations and endpoints, and their requests."""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from groundplan_local.bridge import Answer, Call, answer_error, answer_json
from groundplan_local.connections import tags_as_mapping
from groundplan_local.events import emit, milliseconds
from groundplan_local.joints import account_and_region
from groundplan_local.serving.asynchronous import Queue
from groundplan_local.serving.components import Components
from groundplan_local.serving.endpoints import Document, Endpoint
from groundplan_local.serving.measures import Measures
from groundplan_local.serving.scaling import Scaling
from groundplan_local.serving.transform_jobs import TransformJobs
from groundplan_local.shapes import InvalidRequestError, check_request

LARGEST_BYTES = 6_291_456  # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
CHANGING = ("Creating", "Updating", "RollingBack", "Deleting")
# The API's words -> the events' words.
EVENT_STATES = {
    "Creating": "CREATING",
    "Deleting": "DELETING",
    "Failed": "FAILED",
    "InService": "IN_SERVICE",
    "RollingBack": "ROLLING_BACK",
    "Updating": "UPDATING",
}
KINDS = {"Model": "model", "EndpointConfig": "endpoint-config"}
Key = tuple[str, str, str]


class Endpoints:
    """Every account's models, configurations and endpoints."""

    def __init__(self, folder: Path) -> None:
        self.measures = Measures()
        self._folder = folder
        self._kept: dict[str, dict[Key, Document]] = {kind: {} for kind in KINDS}
        self._endpoints: dict[Key, Endpoint] = {}
        self._queues: dict[Key, Queue] = {}
        self._lock = threading.Lock()
        self._components = Components(folder, self.measures, self._endpoint, self._container)
        self.scaling = Scaling(self.measures, self._scaled)
        self._transform_jobs = TransformJobs(folder, self._container)
        self._operations: dict[str, Callable[[Document], Answer]] = {
            **self._components.operations,
            **self._transform_jobs.operations,
            "CreateEndpoint": self._create,
            "DescribeEndpoint": self._describe,
            "ListEndpoints": self._list,
            "UpdateEndpoint": self._update,
            "UpdateEndpointWeightsAndCapacities": self._resize,
            "DeleteEndpoint": self._delete,
        }

    def answer(self, call: Call) -> Answer | None:
        """The answer; None for an operation about something else."""
        if call.path.startswith("/endpoints/"):
            return self._invoke(call)
        operation = call.operation
        if operation == "ListTags":
            return self._list_tags(call.parameters())
        kept = self._kind_of(operation)
        if operation in self._operations or kept:
            asked = call.parameters()
            try:
                check_request("sagemaker", operation, asked)
            except InvalidRequestError as error:
                return answer_error("ValidationException", str(error))
            return self._keep(*kept, asked) if kept else self._operations[operation](asked)
        return None

    def start(self) -> None:
        """Begin to judge alarms, and to scale."""
        self.measures.start()
        self.scaling.start()

    def close(self) -> None:
        """End everything that serves."""
        self.scaling.close()
        self.measures.close()
        self._transform_jobs.close()
        self._components.close()
        for queue in list(self._queues.values()):
            queue.close()
        for endpoint in list(self._endpoints.values()):
            endpoint.close()

    # Models and configurations --------------------------------------------------------------------------------

    @staticmethod
    def _kind_of(operation: str) -> tuple[str, str] | None:
        for kind in KINDS:
            for verb, name in (("Create", kind), ("Describe", kind), ("Delete", kind), ("List", f"{kind}s")):
                if operation == verb + name:
                    return verb, kind
        return None

    def _keep(self, verb: str, kind: str, asked: Document) -> Answer:
        store, name = self._kept[kind], str(asked.get(f"{kind}Name"))
        key = (*account_and_region(), name)
        arn = f"arn:aws:sagemaker:{key[1]}:{key[0]}:{KINDS[kind]}/{name}"
        if verb == "List":
            own = [one for (account, region, _), one in store.items() if (account, region) == key[:2]]
            return answer_json({f"{kind}s": [{it: one[it] for it in _summary(kind)} for one in own]})
        if verb == "Create":
            if key in store:
                return _refused(f'Cannot create already existing {KINDS[kind].replace("-", " ")} "{arn}".')
            store[key] = {**asked, f"{kind}Arn": arn, "CreationTime": datetime.now(UTC).timestamp()}
            return answer_json({f"{kind}Arn": arn})
        if key not in store:
            return _refused(f'Could not find {KINDS[kind].replace("-", " ")} "{arn}".')
        if verb == "Delete":
            del store[key]
            return answer_json({})
        return answer_json({name: value for name, value in store[key].items() if name != "Tags"})

    def _container(self, account: str, region: str, model: str) -> Mapping[str, Any]:
        found = self._kept["Model"].get((account, region, model), {})
        containers: list[Document] = [*filter(None, [found.get("PrimaryContainer")]), *found.get("Containers", [])]
        return containers[0] if containers else {}

    # Endpoints ------------------------------------------------------------------------------------------------

    def _create(self, asked: Document) -> Answer:
        key, config = (*account_and_region(), asked["EndpointName"]), self._config(asked["EndpointConfigName"])
        if config is None:
            return self._no_config(asked["EndpointConfigName"])
        account, region, name = key
        with self._lock:
            if key in self._endpoints:
                return _refused(f'Cannot create already existing endpoint "{self._endpoints[key].arn}".')
            self._endpoints[key] = endpoint = Endpoint(
                name,
                (account, region),
                self._folder / account / region,
                self.measures,
                lambda model: self._container(account, region, model),
                _tell,
                asked.get("Tags", []),
            )
            if "AsyncInferenceConfig" in config:
                self._queues[key] = Queue(endpoint, self.measures)
        endpoint.deploy(config, asked.get("DeploymentConfig", {}))
        return answer_json({"EndpointArn": endpoint.arn})

    def _list_tags(self, asked: Document) -> Answer | None:
        """Of an endpoint; None for anything else."""
        arn = str(asked.get("ResourceArn", ""))
        if ":endpoint/" not in arn:
            return None
        endpoint = self._endpoint(name := arn.rpartition("/")[2])
        return answer_json({"Tags": endpoint.tags}) if endpoint else _missing(name)

    def _update(self, asked: Document) -> Answer:
        endpoint, config = self._endpoint(asked["EndpointName"]), self._config(asked["EndpointConfigName"])
        if endpoint is None:
            return _missing(asked["EndpointName"])
        if config is None:
            return self._no_config(asked["EndpointConfigName"])
        with self._lock:
            if endpoint.status in CHANGING:
                return _refused(f'Cannot update in-progress endpoint "{endpoint.arn}".')
            kept = bool(asked.get("RetainAllVariantProperties"))
            endpoint.deploy(config, asked.get("DeploymentConfig", {}), keep_count=kept)
        return answer_json({"EndpointArn": endpoint.arn})

    def _resize(self, asked: Document) -> Answer:
        """What scaling does, too: the process stays one, whatever the number; at zero it answers nothing."""
        endpoint = self._endpoint(asked["EndpointName"])
        if endpoint is None:
            return _missing(asked["EndpointName"])
        if endpoint.status in CHANGING:
            return _refused(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        variant = endpoint.config["ProductionVariants"][0]["VariantName"]
        for one in asked["DesiredWeightsAndCapacities"]:
            if one["VariantName"] != variant:
                return _refused(f'Could not find variant "{one["VariantName"]}"; allowed: {variant}')
            count = one.get("DesiredInstanceCount", endpoint.count)
            if not count and "AsyncInferenceConfig" not in endpoint.config:
                return _refused("DesiredInstanceCount 0 is for asynchronous variants; allowed here: 1 and more")
            endpoint.count = count
        return answer_json({"EndpointArn": endpoint.arn})

    def _describe(self, asked: Document) -> Answer:
        endpoint = self._endpoint(asked["EndpointName"])
        return answer_json(_described(endpoint)) if endpoint else _missing(asked["EndpointName"])

    def _list(self, asked: Document) -> Answer:
        place = account_and_region()
        own = [one for (account, region, _), one in sorted(self._endpoints.items()) if (account, region) == place]
        wanted = asked.get("StatusEquals")
        names = ("EndpointName", "EndpointArn", "EndpointStatus", "CreationTime", "LastModifiedTime")
        found = [_described(one) for one in own if wanted in (None, one.status)]
        return answer_json({"Endpoints": [{name: one[name] for name in names} for one in found]})

    def _delete(self, asked: Document) -> Answer:
        endpoint = self._endpoint(asked["EndpointName"])
        if endpoint is None:
            return _missing(asked["EndpointName"])
        if endpoint.status in CHANGING:
            return _refused(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        if on := self._components.on(endpoint.name):
            return _refused(f'Endpoint "{endpoint.arn}" still hosts inference components: {", ".join(on)}.')
        endpoint.status = "Deleting"
        _tell(endpoint)
        del self._endpoints[(*account_and_region(), endpoint.name)]
        if queue := self._queues.pop((*account_and_region(), endpoint.name), None):
            queue.close()
        endpoint.close()
        return answer_json({})

    def _scaled(self, account: str, region: str, resource: str) -> Endpoint | None:
        """What Application Auto Scaling calls `endpoint/<name>/variant/<name>` or `inference-component/<name>`."""
        kind, name, *_ = resource.split("/")
        if kind == "inference-component":
            return self._components.at(account, region, name)
        return self._endpoints.get((account, region, name))

    def _endpoint(self, name: str) -> Endpoint | None:
        return self._endpoints.get((*account_and_region(), name))

    def _config(self, name: str) -> Document | None:
        return self._kept["EndpointConfig"].get((*account_and_region(), name))

    def _no_config(self, name: str) -> Answer:
        account, region = account_and_region()
        arn = f"arn:aws:sagemaker:{region}:{account}:endpoint-config/{name}"
        return _refused(f'Could not find endpoint configuration "{arn}".')

    # Requests -------------------------------------------------------------------------------------------------

    def _invoke(self, call: Call) -> Answer:
        _, _, name, action = [*call.path.split("/"), "", "", ""][:4]
        endpoint = self._endpoint(name)
        headers = {key.lower(): value for key, value in call.headers.items()}
        if endpoint is None:
            says = f"Endpoint {name} of account {account_and_region()[0]} not found."
            return _runtime(400, "ValidationError", says)
        if action == "async-invocations":
            return self._later(endpoint, headers)
        if action != "invocations":
            return _runtime(400, "ValidationError", f"{action or call.path} is not emulated on an endpoint")
        if "AsyncInferenceConfig" in endpoint.config:
            return _runtime(400, "ValidationError", f"Endpoint {name} is asynchronous; allowed: InvokeEndpointAsync")
        if len(call.body) > LARGEST_BYTES:
            says = f"Request size {len(call.body)} is greater than the allowed maximum of {LARGEST_BYTES} bytes."
            return _runtime(413, "ValidationError", says)
        served: Endpoint | None = endpoint
        component = headers.get("x-amzn-sagemaker-inference-component", "")
        if component or "ModelName" not in endpoint.config["ProductionVariants"][0]:
            served = self._components.found(component) if component in self._components.on(name) else None
            if served is None:
                return _runtime(400, "ValidationError", _no_component(name, component))
        return self._ask(served, call.body, headers)

    def _ask(self, served: Endpoint, body: bytes, headers: Mapping[str, str]) -> Answer:
        kind, accept = headers.get("content-type") or "application/json", headers.get("accept") or "*/*"
        answered = served.invoke(body, kind, accept) if served.status != "Failed" else None
        if answered is None and served.status != "Failed" and not served.count:
            return _runtime(400, "ValidationError", self._components.refused(served))
        if answered is None:
            return _runtime(400, "ValidationError", f"{served.name} is not in service ({served.status}).")
        answer, variant = answered
        if answer.status != 200:
            return _model_error(served, answer.status, answer.body.decode(errors="replace"))
        told = {"Content-Type": answer.content_type, "x-Amzn-Invoked-Production-Variant": variant}
        return 200, told, answer.body

    def _later(self, endpoint: Endpoint, headers: dict[str, str]) -> Answer:
        queue = self._queues.get((*account_and_region(), endpoint.name))
        if queue is None or endpoint.status in ("Creating", "Failed"):
            said = f"not in service ({endpoint.status})" if queue else "not asynchronous; allowed: InvokeEndpoint"
            return _runtime(400, "ValidationError", f"Endpoint {endpoint.name} is {said}.")
        try:
            request = queue.add(headers)
        except ValueError as error:
            return _runtime(400, "ValidationError", str(error))
        places = {"OutputLocation": request.output_location, "FailureLocation": request.failure_location}
        told = {f"X-Amzn-SageMaker-{name}": uri for name, uri in places.items() if uri}
        body = json.dumps({"InferenceId": request.inference_id}).encode()
        return 202, {"Content-Type": "application/json", **told}, body


def _no_component(endpoint: str, component: str) -> str:
    if component:
        return f"Inference Component {component} of endpoint {endpoint} not found."
    return f"Inference Component Name header is required for endpoint {endpoint}, which hosts inference components."


def _summary(kind: str) -> tuple[str, ...]:
    return f"{kind}Name", f"{kind}Arn", "CreationTime"


def _described(endpoint: Endpoint) -> Document:
    variants = [
        {
            "VariantName": one["VariantName"],
            "CurrentWeight": one.get("InitialVariantWeight", 1),
            "DesiredWeight": one.get("InitialVariantWeight", 1),
            **(
                {"CurrentServerlessConfig": one["ServerlessConfig"]}
                if "ServerlessConfig" in one
                else {
                    "CurrentInstanceCount": endpoint.count,
                    "DesiredInstanceCount": endpoint.count,
                }
            ),
        }
        for one in endpoint.config.get("ProductionVariants", [])
    ]
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": endpoint.config.get("EndpointConfigName", ""),
        "EndpointStatus": endpoint.status,
        "ProductionVariants": variants,
        "CreationTime": endpoint.created.timestamp(),
        "LastModifiedTime": endpoint.changed.timestamp(),
        **({"FailureReason": endpoint.failure} if endpoint.failure else {}),
    }


def _tell(endpoint: Endpoint) -> None:
    detail = _described(endpoint) | {
        "EndpointStatus": EVENT_STATES[endpoint.status],
        "Tags": tags_as_mapping(endpoint.tags),
        "CreationTime": milliseconds(endpoint.created),
        "LastModifiedTime": milliseconds(endpoint.changed),
    }
    emit(endpoint.account, endpoint.region, "SageMaker Endpoint State Change", detail, endpoint.arn)


def _refused(message: str) -> Answer:
    return answer_error("ValidationException", message)


def _missing(name: str) -> Answer:
    account, region = account_and_region()
    return _refused(f'Could not find endpoint "arn:aws:sagemaker:{region}:{account}:endpoint/{name}".')


def _runtime(status: int, code: str, message: str, **more: Any) -> Answer:
    told = {"Content-Type": "application/json", "x-amzn-errortype": code}
    return status, told, json.dumps({"Message": message, **more}).encode()


def _model_error(endpoint: Endpoint, status: int, said: str) -> Answer:
    """Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html"""
    kind = "server" if status >= 500 else "client"
    log = f"arn:aws:logs:{endpoint.region}:{endpoint.account}:log-group:/aws/sagemaker/Endpoints/{endpoint.name}"
    message = f'Received {kind} error ({status}) from primary with message "{said}".'
    return _runtime(424, "ModelError", message, OriginalStatusCode=status, OriginalMessage=said, LogStreamArn=log)
