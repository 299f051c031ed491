"""What SageMaker knows of training jobs, model packages and endpoints. Reads only."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from botocore.exceptions import ClientError

from groundplan.lineage.records import Kind, iso, model_uri

Description = Mapping[str, Any]
MOST_A_PAGE = 100  # of SageMaker's lists; they give 10 when they are not asked


class Pages(Protocol):
    """boto3's paginator."""

    def paginate(self, **request: Any) -> Iterable[Description]:
        """Page by page."""
        ...


class Client(Protocol):
    """What is used of boto3's SageMaker client."""

    def describe_training_job(self, *, TrainingJobName: str) -> Description: ...  # noqa: N803 - boto3's
    def describe_model_package(self, *, ModelPackageName: str) -> Description: ...  # noqa: N803
    def describe_endpoint(self, *, EndpointName: str) -> Description: ...  # noqa: N803
    def describe_endpoint_config(self, *, EndpointConfigName: str) -> Description: ...  # noqa: N803
    def describe_model(self, *, ModelName: str) -> Description: ...  # noqa: N803
    def get_paginator(self, operation_name: str) -> Pages: ...


class NotKnown(Exception):  # noqa: N818 - it names what SageMaker said
    """SageMaker does not know a name in this account and region."""


@dataclass(frozen=True)
class Listed:
    """One line of a list. `changed` is None where the list does not tell when; `created` always stands."""

    kind: Kind
    name: str
    status: str
    approval: str | None
    created: str
    changed: str | None


@dataclass(frozen=True)
class Served:
    """Nodes that an endpoint's variants serve, and the names of the variants of which that is not known."""

    nodes: tuple[str, ...]
    unexplained: tuple[str, ...]


class SageMaker:
    """Describes and lists; `client` is boto3's."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def describe(self, kind: Kind, name: str) -> Description:
        """Of a job or endpoint by its name, of a package by its ARN; raises NotKnown."""
        calls: dict[Kind, Callable[[], Description]] = {
            "run": lambda: self._client.describe_training_job(TrainingJobName=name),
            "package": lambda: self._client.describe_model_package(ModelPackageName=name),
            "endpoint": lambda: self._client.describe_endpoint(EndpointName=name),
        }
        return _known(f"{kind} {name}", calls[kind])

    def served_by(self, config: str) -> Served:
        """What the production and shadow variants of an endpoint config serve; raises NotKnown for the config.

        A variant without a model carries inference components, and a model may have been deleted since: those
        variants are unexplained.
        """
        describe = self._client.describe_endpoint_config
        described = _known(f"endpoint config {config}", lambda: describe(EndpointConfigName=config))
        nodes: list[str] = []
        unexplained: list[str] = []
        for variant in [*described["ProductionVariants"], *(described.get("ShadowProductionVariants") or ())]:
            found = self._nodes_of_model(variant.get("ModelName"))
            nodes += found
            if not found:
                unexplained.append(variant["VariantName"])
        return Served(tuple(dict.fromkeys(nodes)), tuple(unexplained))

    def training_jobs(self, since: datetime | None) -> Iterator[Listed]:
        """Those modified since then; all of them for None."""
        for line in self._lines("list_training_jobs", "TrainingJobSummaries", _after("LastModifiedTimeAfter", since)):
            yield _listed("run", line["TrainingJobName"], line["TrainingJobStatus"], line)

    def running_jobs(self) -> Iterator[str]:
        """Names of the training jobs that have not ended, however long ago they changed."""
        for line in self._lines("list_training_jobs", "TrainingJobSummaries", {"StatusEquals": "InProgress"}):
            yield line["TrainingJobName"]

    def model_packages(self) -> Iterator[Listed]:
        """All of every group: SageMaker's list does not tell when a package was modified, for example approved."""
        for group in self._lines("list_model_package_groups", "ModelPackageGroupSummaryList", {}):
            of_group = {"ModelPackageGroupName": group["ModelPackageGroupName"]}
            for line in self._lines("list_model_packages", "ModelPackageSummaryList", of_group):
                yield _listed("package", line["ModelPackageArn"], line["ModelPackageStatus"], line)

    def endpoints(self, since: datetime | None) -> Iterator[Listed]:
        """Those modified since then; all of them for None."""
        for line in self._lines("list_endpoints", "Endpoints", _after("LastModifiedTimeAfter", since)):
            yield _listed("endpoint", line["EndpointName"], line["EndpointStatus"], line)

    def _lines(self, operation: str, key: str, request: Mapping[str, Any]) -> Iterator[Description]:
        for page in self._client.get_paginator(operation).paginate(
            **request, PaginationConfig={"PageSize": MOST_A_PAGE}
        ):
            yield from page[key]

    def _nodes_of_model(self, model: str | None) -> list[str]:
        if not model:
            return []
        try:
            described = _known(f"model {model}", lambda: self._client.describe_model(ModelName=model))
        except NotKnown:
            return []
        primary = described.get("PrimaryContainer")
        containers: Sequence[Description] = [primary] if primary else described.get("Containers") or ()
        return [node for container in containers if (node := self._node_of(container))]

    def _node_of(self, container: Description) -> str | None:
        package: str | None = container.get("ModelPackageName")
        if package and not package.startswith("arn:"):
            package = self.describe("package", package)["ModelPackageArn"]
        uri = model_uri(container)
        return f"package/{package}" if package else uri and f"model/{uri}"


def _known(what: str, call: Callable[[], Description]) -> Description:
    """The answer; NotKnown in place of the two ways in which SageMaker says that it knows no such name."""
    try:
        return call()
    except ClientError as error:
        answer: Any = error.response  # pyright: ignore[reportUnknownMemberType]
        code, message = str(answer["Error"]["Code"]), str(answer["Error"].get("Message", ""))
        unknown = any(words in message.lower() for words in ("could not find", "not found", "does not exist"))
        if code == "ResourceNotFound" or (code == "ValidationException" and unknown):
            raise NotKnown(
                f"{what} is not known to SageMaker ({message}); expected one of this account and region"
            ) from error
        raise


def _after(field: str, since: datetime | None) -> dict[str, Any]:
    return {field: since} if since else {}


def _listed(kind: Kind, name: str, status: str, line: Description) -> Listed:
    changed: datetime | None = line.get("LastModifiedTime")
    return Listed(
        kind=kind,
        name=name,
        status=status,
        approval=line.get("ModelApprovalStatus"),
        created=iso(line["CreationTime"]),
        changed=iso(changed) if changed else None,
    )
