"""A run as it is stored in the account: launch defaults in SSM, and the workload's own file beside its code."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from groundplan.refusal import Refused, bad
from groundplan.training_request import Inputs, LaunchDefaults
from groundplan.workload import Workload


class StoredLaunch:
    """Reads what a launch needs; `ssm` and `s3` are boto3's clients."""

    def __init__(self, ssm: Any, s3: Any, *, parameters: str, bucket: str, image_runs: bool) -> None:
        self._ssm = ssm
        self._s3 = s3
        self._parameters = parameters
        self._bucket = bucket
        self._image_runs = image_runs

    def defaults(self, workload: str) -> LaunchDefaults:
        """The launch defaults of a workload. Raises Refused where an image must run and none is pinned."""
        name = self._parameters.format(workload=workload)
        document = json.loads(self._ssm.get_parameter(Name=name)["Parameter"]["Value"])
        defaults = LaunchDefaults.from_json(name, document)
        if self._image_runs and not defaults.image_digest:
            raise Refused(f"{workload} has no image; build one: groundplan image build {workload}")
        return defaults

    def workload(self, name: str, inputs: Inputs) -> Workload:
        """The workload as it stood when its code was stored; raises BadInput for code that is another's."""
        below = f"s3://{self._bucket}/workloads/{name}/code/"
        for field, uri in (("code_uri", inputs.code_uri), ("prepare_uri", inputs.prepare_uri)):
            if not uri.startswith(below):
                raise bad("input of the execution", f"inputs.{field}", uri, f"allowed: below {below}")
        key = inputs.code_uri.removeprefix(f"s3://{self._bucket}/") + "/workload.toml"
        text = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read().decode()
        try:
            workload = Workload.model_validate(tomllib.loads(text))
        except (ValidationError, tomllib.TOMLDecodeError) as error:
            raise bad(f"s3://{self._bucket}/{key}", "", str(error), "store it again: groundplan train") from None
        if workload.name != name:
            raise bad(f"s3://{self._bucket}/{key}", "name", workload.name, f'allowed: "{name}"')
        return workload


def inputs_of(document: Mapping[str, Any]) -> Inputs:
    """The inputs of an execution; raises BadInput when they are not those of a run."""
    try:
        return Inputs(**document)
    except TypeError as error:
        raise bad("input of the execution", "inputs", str(error), "start it with: groundplan train") from None
