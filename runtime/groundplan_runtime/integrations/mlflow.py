"""MLflow by its REST API, as SageMaker's managed MLflow serves it: signed, and told which server by its ARN.

Source of the host, the header and the name in the signature: https://github.com/aws/sagemaker-mlflow
Source of the calls: https://mlflow.org/docs/latest/rest-api.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from groundplan.tracking import RUN_TAG, TrackedRun

MOST_METRICS, MOST_PARAMETERS, MOST_TAGS = 1000, 100, 100  # of one call
TIMEOUT_SECONDS = 60  # the server on a laptop may still be starting
Document = Mapping[str, Any]
T = TypeVar("T")


class MlflowError(Exception):
    """MLflow refused a call, or did not answer: what was called, its status, and its own words."""

    def __init__(self, call: str, status: int, code: str, message: str) -> None:
        super().__init__(f"MLflow, {call}: {status} {code} {message}")
        self.code = code


class Mlflow:
    """One tracking server. `credentials` are botocore's; `endpoint_url` is another front door than AWS's."""

    def __init__(self, arn: str, credentials: Any, endpoint_url: str | None = None) -> None:
        self._arn, self._region = arn, arn.split(":")[3]
        self._endpoint_url = endpoint_url or f"https://{self._region}.experiments.sagemaker.aws"
        self._credentials = credentials
        self._http: Any = URLLib3Session(timeout=TIMEOUT_SECONDS)

    def log(self, run: TrackedRun) -> str:
        """Log a run and return its id. The same run again is the same run, with what it lacked."""
        experiment = self._experiment(run.experiment)
        found = self._find(experiment, run.key)
        run_id = found["info"]["run_id"] if found else self._create(experiment, run)
        for batch in _batches(run):
            self._post("runs/log-batch", {"run_id": run_id, **batch})
        if run.data_set:
            data_set = {"dataset": dict(run.data_set), "tags": [{"key": "mlflow.data.context", "value": "training"}]}
            self._post("runs/log-inputs", {"run_id": run_id, "datasets": [data_set]})
        self._post("runs/update", {"run_id": run_id, "status": run.status, "end_time": run.ended})
        return run_id

    def run(self, workload: str, key: str) -> Document | None:
        """The run of `key` as MLflow has it (`info`, `data`), if it has it."""
        try:
            found = self._get("experiments/get-by-name", experiment_name=workload)
        except MlflowError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return self._find(found["experiment"]["experiment_id"], key)

    def _experiment(self, name: str) -> str:
        """Its id; made when it is not there."""
        try:
            return self._get("experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"]
        except MlflowError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
        try:
            return self._post("experiments/create", {"name": name})["experiment_id"]
        except MlflowError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":  # somebody else was first
                raise
        return self._get("experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"]

    def _find(self, experiment: str, key: str) -> Document | None:
        asked = {"experiment_ids": [experiment], "filter": f"tags.`{RUN_TAG}` = '{key}'", "max_results": 1}
        runs: Sequence[Document] = self._post("runs/search", asked).get("runs", [])
        return runs[0] if runs else None

    def _create(self, experiment: str, run: TrackedRun) -> str:
        made = self._post(
            "runs/create",
            {
                "experiment_id": experiment,
                "run_name": run.name,
                "start_time": run.started,
                # The tag by which it is found comes with it: what is interrupted after this is taken up again.
                "tags": [{"key": RUN_TAG, "value": run.key}],
            },
        )
        return made["run"]["info"]["run_id"]

    def _get(self, call: str, **query: str) -> Any:
        return self._send("GET", f"{call}?{urlencode(query, quote_via=quote)}", None)

    def _post(self, call: str, body: Document) -> Any:
        return self._send("POST", call, json.dumps(body, allow_nan=False).encode())

    def _send(self, method: str, call: str, body: bytes | None) -> Any:
        request: Any = AWSRequest(
            method=method,
            url=f"{self._endpoint_url}/api/2.0/mlflow/{call}",
            data=body,
            headers={"Content-Type": "application/json", "x-mlflow-sm-tracking-server-arn": self._arn},
        )
        signature: Any = SigV4Auth(self._credentials, "sagemaker-mlflow", self._region)
        signature.add_auth(request)
        answer = self._http.send(request.prepare())
        try:
            said: Any = json.loads(answer.text or "{}")
        except ValueError:
            said = {"message": answer.text[:200]}
        if answer.status_code != 200:
            code = str(said.get("error_code") or said.get("__type") or "")
            raise MlflowError(call.partition("?")[0], answer.status_code, code, str(said.get("message", "")))
        return said


def _batches(run: TrackedRun) -> Iterator[dict[str, Any]]:
    """What `runs/log-batch` takes, call by call."""
    for parameters in _pieces(run.parameters.items(), MOST_PARAMETERS):
        yield {"params": [{"key": key, "value": value} for key, value in parameters]}
    for tags in _pieces(run.tags.items(), MOST_TAGS):
        yield {"tags": [{"key": key, "value": value} for key, value in tags]}
    for metrics in _pieces(run.metrics, MOST_METRICS):
        yield {"metrics": [_metric(asdict(metric)) for metric in metrics]}


def _pieces(things: Iterable[T], most: int) -> Iterator[list[T]]:
    left = iter(things)
    while piece := list(islice(left, most)):
        yield piece


def _metric(metric: dict[str, Any]) -> dict[str, Any]:
    return {"key": metric["name"], "value": metric["value"], "timestamp": metric["time"], "step": metric["step"]}
