"""Has models answer a held-out set: a job each, in the model's own image, by the role that alone reads the requests.

The embedded AWS runs the same jobs, on this machine's software, which must then be that of the training.
"""

import importlib.metadata
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from groundplan.canonical import digest, file_digest, tree_digest
from groundplan.evaluation import (
    LONGEST_SECONDS,
    Answered,
    Made,
    Question,
    answers_uri,
    evaluation_request,
    machine_of,
    read_answers,
)
from groundplan.gate import HeldOut
from groundplan.gate import answer as script
from groundplan.gate.answer import INFERENCE, SCRIPT
from groundplan.image import LOCK
from groundplan.refusal import Refused, bad
from groundplan.training_request import KIT, LaunchDefaults
from groundplan.workload import Workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.follow import RUNNING
from groundplan_operate.held_out import requests_key
from groundplan_operate.lake import head
from groundplan_runtime.integrations.training_request_check import refuse_invalid

CLOCKS_APART = timedelta(seconds=5)  # S3's and SageMaker's


def answer_requests(
    accounts: Accounts,
    workload: Workload,
    defaults: LaunchDefaults,
    models: Sequence[Made],
    held_out: HeldOut,
    show: Callable[[str], None],
) -> list[Answered]:
    """What each model answers, in their order.

    Raises Refused for a model, code or software that is not the one of the record, for a job that fails, and for
    answers that are not there or not the job's.
    """
    if not defaults.evaluation_role_arn:
        parameter = accounts.names.launch_parameter(workload.name)
        raise bad(parameter, "evaluation_role_arn", "nothing", "deploy the workload's stack again: it makes the role")
    for made in models:
        _check(accounts, made)
    question = _question(accounts, workload, held_out)
    seconds = min(LONGEST_SECONDS, accounts.environment.limits.max_runtime_seconds)
    now = datetime.now(UTC)
    requests = [
        evaluation_request(
            workload,
            accounts.environment.name,
            defaults,
            made,
            question,
            # A name each, also where both are the same model, byte by byte.
            job_suffix=f"{now + timedelta(milliseconds=at):%Y%m%d%H%M%S%f}"[:-3],
            max_runtime_seconds=seconds,
        )
        for at, made in enumerate(models)
    ]
    for request in requests:
        refuse_invalid(request)
    return _run(accounts, workload, list(zip(models, requests, strict=True)), question, show)


def _check(accounts: Accounts, made: Made) -> None:
    """What can be said before a job is asked for; the job says again on what it ran."""
    if accounts.environment.embedded_aws:
        same_software(accounts, made)
    elif not made.image_digest:
        raise Refused(f"{made.name}: its record has no image_digest, and nothing says in which image it runs")
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "code"
        fetch_code(accounts, made, code)
        if not (code / INFERENCE).is_file():
            raise Refused(f"{made.name}: its code has no {INFERENCE}, which answers for it as on an endpoint")
    bucket, _, key = made.model_data_url.removeprefix("s3://").partition("/")
    if head(accounts.client("s3", "ai").head_object, Bucket=bucket, Key=key) is None:
        raise Refused(f"{made.name}: its model: {made.model_data_url} is not there any more")


def _question(accounts: Accounts, workload: Workload, held_out: HeldOut) -> Question:
    """The requests as they lie in the lake, and the script, which is put beside the workload's code."""
    lake, key = accounts.names.lake_bucket("evaluation"), requests_key(workload, held_out)
    if head(accounts.client("s3", "data").head_object, Bucket=lake, Key=key) is None:
        how = f"ingest it again: groundplan ingest {workload.name} FOLDER"
        raise bad(f"s3://{lake}/{key}", "requests", "nothing", how)
    content = Path(str(script.__file__)).read_bytes()
    bucket, place = accounts.names.artefacts_bucket(), f"workloads/{workload.name}/code/{sha256(content).hexdigest()}"
    accounts.client("s3", "ai").put_object(Bucket=bucket, Key=f"{place}/{SCRIPT}", Body=content)
    return Question(
        requests_uri=f"s3://{lake}/{key}",
        requests_sha256=sha256(held_out.asked).hexdigest(),
        requests=len(held_out.samples),
        script_uri=f"s3://{bucket}/{place}/{SCRIPT}",
    )


def _run(
    accounts: Accounts,
    workload: Workload,
    asked: Sequence[tuple[Made, dict[str, Any]]],
    question: Question,
    show: Callable[[str], None],
) -> list[Answered]:
    """All at once in AWS, where each has its machine; one after the other here, where they would slow each other."""
    here, sagemaker = accounts.environment.embedded_aws, accounts.client("sagemaker", "ai")
    machine = f"this machine ({platform.machine()})" if here else machine_of(workload)
    started: list[str] = []
    try:
        for made, request in asked:
            name = str(request["TrainingJobName"])
            try:
                sagemaker.create_training_job(**request)
            except ClientError as error:
                raise Refused(f"{made.name}: SageMaker refuses {name}: {error}") from error
            started.append(name)
            show(f"{made.name} answers {question.requests:,} requests on {machine}: {name}")
            if here:
                _end_of(sagemaker, name, 0.1)
        return [
            _answered(accounts, made, request, question, _end_of(sagemaker, name, 5.0), machine)
            for (made, request), name in zip(asked, started, strict=True)
        ]
    except BaseException:  # also Ctrl-C: nobody would read what they answer
        for name in started:
            _stop(sagemaker, name)
        raise


def _end_of(sagemaker: Any, name: str, pause: float) -> Mapping[str, Any]:
    """A job's description when it has ended."""
    while (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] in RUNNING:
        time.sleep(pause)
    return job


def _stop(sagemaker: Any, name: str) -> None:
    try:
        sagemaker.stop_training_job(TrainingJobName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":  # it has ended
            raise


def _answered(
    accounts: Accounts,
    made: Made,
    request: Mapping[str, Any],
    question: Question,
    job: Mapping[str, Any],
    machine: str,
) -> Answered:
    """What a job left; one object, written once, before the job had ended."""
    name, status, uri = request["TrainingJobName"], job["TrainingJobStatus"], answers_uri(request)
    if status != "Completed":
        raise Refused(f"{made.name}: its evaluation {name}: {status}; {job.get('FailureReason') or 'no reason'}")
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    s3 = accounts.client("s3", "ai")
    listed = s3.list_object_versions(Bucket=bucket, Prefix=key)
    versions = [one for one in listed.get("Versions", ()) if one["Key"] == key]
    if not versions or any(one["Key"] == key for one in listed.get("DeleteMarkers", ())):
        raise Refused(f"{made.name}: its evaluation {name} has no answers: {uri} is not there")
    # Until artefacts are uploaded:
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html (TrainingEndTime)
    if len(versions) > 1 or versions[0]["LastModified"] > job["TrainingEndTime"] + CLOCKS_APART:
        raise Refused(f"{made.name}: the answers of its evaluation {name} were altered: {uri} was written after it")
    content = s3.get_object(Bucket=bucket, Key=key, VersionId=versions[0]["VersionId"])["Body"].read()
    return read_answers(content, made, question, machine=machine, source=uri)


def fetch_code(accounts: Accounts, made: Made, target: Path, *, with_kit: bool = False) -> None:
    """The code of a run; raises Refused when it is not there any more or not the one of its digest.

    The training kit lies beside it under a digest of its own, and is left where it is unless it is asked for.
    """
    bucket, place = accounts.names.artefacts_bucket(), made.code_uri.rstrip("/")
    prefix = place.removeprefix(f"s3://{bucket}/") + "/"
    if not prefix.startswith(f"workloads/{made.workload}/code/") or ".." in prefix.split("/"):
        raise Refused(f"{made.name}: its code, {place}, lies elsewhere than the platform puts code")
    s3, kit = accounts.client("s3", "ai"), target.parent / KIT
    kit.unlink(missing_ok=True)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            relative = str(entry["Key"]).removeprefix(prefix)
            if ".." in Path(relative).parts:
                raise Refused(f"{made.name}: s3://{bucket}/{entry['Key']} climbs out of its folder")
            file = target / relative
            file.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, entry["Key"], str(file))
            if relative == KIT:
                file.rename(kit)
    if not target.is_dir():
        raise Refused(f"{made.name}: its code, {place}, is not there any more")
    found = digest(tree_digest(target))
    if found != made.code_digest:
        raise Refused(f"{made.name}: its code was altered: {place} has digest {found}, not {made.code_digest}")
    kit_digest = file_digest(kit) if kit.exists() else None
    if made.kit_digest and kit_digest != made.kit_digest:
        now = f"has sha256 {kit_digest}" if kit_digest else "is not there any more"
        raise Refused(f"{made.name}: its training kit, {place}/{KIT}, {now}; its record has {made.kit_digest}")
    if with_kit and kit_digest:
        kit.rename(target / KIT)


def same_software(accounts: Accounts, made: Made) -> None:
    """The lock of this machine's Python is the one of the training, and so are the frameworks that the kit saw."""
    here = file_digest(accounts.root / LOCK)
    if here != made.environment_digest:
        raise Refused(
            f"{made.name}: it was trained on other software: {LOCK} has sha256 {here} here, and its record has "
            f"{made.environment_digest}; train it again, or check out what it was trained with"
        )
    for framework, version in made.frameworks.items():
        installed = _installed(framework)
        if not f"{installed}.".startswith(f"{version}."):
            raise Refused(f"{made.name}: it was trained with {framework} {version}, and here is {installed}")


def _installed(framework: str) -> str:
    """Its version here, or `nothing`."""
    if framework == "python":
        return platform.python_version()
    # A record may name a module, such as sklearn, where its distribution has another name.
    named = importlib.metadata.packages_distributions().get(framework, [framework])
    try:
        return importlib.metadata.version(named[0])
    except importlib.metadata.PackageNotFoundError:
        return "nothing"
