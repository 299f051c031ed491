"""What runs and costs: training jobs, endpoints and notebooks of an account, stopped and brought back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from groundplan.checkpoint_age import newest_checkpoint
from groundplan.json_value import mapping
from groundplan.spend.stopper import Act, Runs, Thing, incarnation
from groundplan_runtime.integrations.listed_objects import listed

Tags = Sequence[Mapping[str, str]]
GONE = ("could not find", "not found", "does not exist", "recordnotfound")
ENDED = ("in status", "not in ([inservice])", "unable to transition")


class SpendThings:
    """`sagemaker` and `s3` are boto3's clients."""

    def __init__(self, sagemaker: Any, s3: Any) -> None:
        self._sagemaker, self._s3 = sagemaker, s3

    def training_jobs(self) -> Iterator[Thing]:
        """Those that have not ended and are not about to."""
        for line in self._lines("list_training_jobs", "TrainingJobSummaries", StatusEquals="InProgress"):
            name = line["TrainingJobName"]
            described = self._sagemaker.describe_training_job(TrainingJobName=name)
            place = str(mapping(described.get("CheckpointConfig")).get("S3Uri") or "")
            tags = self._tags(line["TrainingJobArn"])
            yield Thing(
                kind="training",
                name=name,
                incarnation=incarnation(line["CreationTime"]),
                workload=tags.get("workload"),
                environment=tags.get("environment"),
                saves=bool(place),
                saved=bool(place) and self._saved(place),
            )

    def endpoints(self) -> Iterator[Thing]:
        """Those in service."""
        for line in self._lines("list_endpoints", "Endpoints", StatusEquals="InService"):
            try:
                described = self._sagemaker.describe_endpoint(EndpointName=line["EndpointName"])
                tags = self._tags(line["EndpointArn"])
            except ClientError as error:
                if _says(error, GONE):
                    continue  # since it was listed
                raise
            yield Thing(
                kind="endpoint",
                name=line["EndpointName"],
                incarnation=incarnation(line["CreationTime"]),
                workload=tags.get("workload"),
                environment=tags.get("environment"),
                runs=self._runs(described["EndpointConfigName"]),
            )

    def notebooks(self, resumed: Mapping[str, int]) -> Iterator[Thing]:
        """Those in service; `resumed` is how often each was brought back, as a notebook keeps its time of making."""
        for line in self._lines("list_notebook_instances", "NotebookInstances", StatusEquals="InService"):
            tags, name = self._tags(line["NotebookInstanceArn"]), line["NotebookInstanceName"]
            yield Thing(
                kind="notebook",
                name=name,
                incarnation=f"{incarnation(line['CreationTime'])}.{resumed.get(f'notebook/{name}', 0)}",
                workload=tags.get("workload"),
                environment=tags.get("environment"),
            )

    def undo(self, thing: Thing) -> dict[str, Any] | None:
        """The request that brings the thing back, while it can still be asked; None when the thing is gone."""
        if thing.kind != "endpoint":
            return {}
        try:
            described = self._sagemaker.describe_endpoint(EndpointName=thing.name)
            tags = self._tags(described["EndpointArn"])
        except ClientError as error:
            if _says(error, GONE):
                return None
            raise
        return {
            "EndpointName": thing.name,
            "EndpointConfigName": described["EndpointConfigName"],
            # Those that begin with `aws:` are CloudFormation's, and nobody else's to give.
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items() if not key.startswith("aws:")],
        }

    def stop(self, thing: Thing) -> None:
        """Stop it, as the caller promised to; what ended or went meanwhile is no error."""
        calls = {
            "training": lambda: self._sagemaker.stop_training_job(TrainingJobName=thing.name),
            "endpoint": lambda: self._sagemaker.delete_endpoint(EndpointName=thing.name),
            "notebook": lambda: self._sagemaker.stop_notebook_instance(NotebookInstanceName=thing.name),
        }
        try:
            calls[thing.kind]()
        except ClientError as error:
            if not _says(error, (*GONE, *ENDED)):
                raise

    def resume(self, act: Act, undo: Mapping[str, Any]) -> None:
        """Bring an endpoint or a notebook back; raises what boto3 raises."""
        kind, _, name = act.subject.partition("/")
        if kind == "endpoint":
            self._sagemaker.create_endpoint(**undo)
        elif kind == "notebook":
            self._sagemaker.start_notebook_instance(NotebookInstanceName=name)
        else:
            raise ValueError(f"{act.subject}: a training job goes on as a new one")

    def _runs(self, config: str) -> Runs:
        described = self._sagemaker.describe_endpoint_config(EndpointConfigName=config)
        variants = described["ProductionVariants"]
        serverless = all("ServerlessConfig" in variant for variant in variants)
        components = all("ModelName" not in variant for variant in variants)
        return "by itself" if serverless or components or "AsyncInferenceConfig" in described else "instances"

    def _saved(self, place: str) -> bool:
        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        pages = listed(self._s3, bucket, f"{prefix.rstrip('/')}/")
        return any(newest_checkpoint((one["Key"], one["LastModified"]) for one in page) for page in pages)

    def _tags(self, arn: str) -> dict[str, str]:
        found: Tags = [tag for page in self._pages("list_tags", ResourceArn=arn) for tag in page["Tags"]]
        return {tag["Key"]: tag["Value"] for tag in found}

    def _lines(self, operation: str, key: str, **request: str) -> Iterator[Mapping[str, Any]]:
        for page in self._pages(operation, **request):
            yield from page[key]

    def _pages(self, operation: str, **request: str) -> Iterator[Mapping[str, Any]]:
        yield from self._sagemaker.get_paginator(operation).paginate(**request)


def _says(error: ClientError, words: Sequence[str]) -> bool:
    """SageMaker's answers differ in their words alone: all of them are validation errors."""
    answer: Any = error.response  # pyright: ignore[reportUnknownMemberType]
    said = str(answer["Error"].get("Message", "")).lower()
    return any(one in said for one in words)
