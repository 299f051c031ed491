"""The records of runs: reads what the training kit left with the checkpoints, stores the whole beside the model."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Protocol

from aws_lambda_powertools import Logger

from groundplan.json_value import mapping
from groundplan.lineage.records import Run
from groundplan.prices import PriceBook, read_prices
from groundplan.refusal import BadInput
from groundplan.right_sizing import right_size
from groundplan.run_cost import run_cost
from groundplan.run_record import (
    FILE_NAME,
    LARGEST_BYTES,
    MOST_SLICES,
    Artefact,
    RunRecord,
    platform_record,
    read_record,
    record_bytes,
)

# A function reads some 70 MB a second, and has 300 seconds.
LARGEST_HASHED_BYTES = 10 * 2**30
CHUNK_BYTES = 2**20
# What the functions may read and write of the artefacts bucket: stacks/lineage.py.
KIT_RECORDS = re.compile(r"workloads/[^/]+/checkpoints/.+/record\.json")
ARTEFACTS = re.compile(r"workloads/[^/]+/output/.+/model\.tar\.gz")
RECORDS = re.compile(r"workloads/[^/]+/output/.+/record\.json")
logger = Logger()


class S3(Protocol):
    """What is used of boto3's S3 client."""

    def list_objects_v2(self, **request: Any) -> Mapping[str, Any]: ...
    def get_object(self, **request: Any) -> Mapping[str, Any]: ...
    def put_object(self, **request: Any) -> object: ...


class RunRecords:
    """`bucket` is the one of the artefacts; `instance_types` are those that jobs may run on."""

    def __init__(self, s3: S3, bucket: str, instance_types: Sequence[str]) -> None:
        self._s3, self._bucket, self._instance_types = s3, bucket, instance_types

    def keep(self, run: Run, described: Mapping[str, Any]) -> Run:
        """Store the record of a job that has ended as `<its output path>/<its name>/record.json`.

        Returns the run with what the record adds to it; a job that goes on is returned as it is. A job whose output
        lies elsewhere than in the artefacts bucket, below a workload's prefix, has no record beside it: a line says
        so, and the run keeps its cost. Raises what boto3 raises.
        """
        if not run.has_ended:
            return run
        kit, without_kit = self._kit_record(run, described)
        book = _prices(run.arn.split(":")[3])
        cost = run_cost(book, run.instance_type, run.instance_count, run.billable_seconds)
        advice = right_size(
            kit.hardware if kit else None,
            instance_type=run.instance_type,
            instance_count=run.instance_count,
            billable_seconds=run.billable_seconds,
            book=book,
            allowed=self._instance_types,
        )
        artefact = self._artefact(run.model) if run.model else None
        record = platform_record(
            run, described, kit, without_kit=without_kit, cost=cost, artefact=artefact, advice=advice
        )
        content = record_bytes(record)
        uri = self._store(run, described, content)
        more = _found_by_the_kit(kit, run) if kit else {}
        return replace(
            run,
            cost_usd=cost.usd,
            cost_basis=cost.basis,
            record_uri=uri,
            record_sha256=hashlib.sha256(content).hexdigest() if uri else None,
            artefact_sha256=artefact and artefact.sha256,
            right_sizing=advice.line,
            **more,
        )

    def _kit_record(self, run: Run, described: Mapping[str, Any]) -> tuple[RunRecord | None, str]:
        """What the kit wrote of this very job, or why there is nothing."""
        folder = str(mapping(described.get("CheckpointConfig")).get("S3Uri") or "")
        if not folder:
            return None, "the job keeps no checkpoints, and the training kit its record with them"
        uri = f"{folder.rstrip('/')}/{FILE_NAME}"
        key = self._key(uri, KIT_RECORDS)
        if key is None:
            return None, f"{uri} lies outside of the workloads' checkpoints in {self._bucket}"
        size = self._size(key)
        if size is None:
            return None, f"there is no {uri}: the script does not use the training kit, or failed before it began"
        if size > LARGEST_BYTES:
            return None, f"{uri} has {size} bytes; at most {LARGEST_BYTES} are read"
        try:
            kit = read_record(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read(), uri)
        except BadInput as error:
            logger.warning("the training kit's record cannot be used", node=run.node, reason=str(error))
            return None, str(error)
        if kit.training_job_name != run.name:
            # Runs of one fingerprint share their checkpoints.
            return None, f"{uri} is of {kit.training_job_name or 'no job'}: this job failed before the kit began"
        return kit, ""

    def _artefact(self, uri: str) -> Artefact:
        key = self._key(uri, ARTEFACTS)
        if key is None:
            return Artefact(uri, reason=f"it lies outside of the workloads' output in {self._bucket}")
        if self._size(key) is None:
            return Artefact(uri, reason="it is not there any more")
        answer = self._s3.get_object(Bucket=self._bucket, Key=key)
        size, version, body = answer["ContentLength"], answer.get("VersionId"), answer["Body"]
        if size > LARGEST_HASHED_BYTES:
            body.close()
            return Artefact(uri, size, version, reason=f"of more than {LARGEST_HASHED_BYTES} bytes none is computed")
        made_of = hashlib.sha256()
        for chunk in body.iter_chunks(CHUNK_BYTES):
            made_of.update(chunk)
        return Artefact(uri, size, version, made_of.hexdigest())

    def _store(self, run: Run, described: Mapping[str, Any], content: bytes) -> str | None:
        output = str(mapping(described.get("OutputDataConfig")).get("S3OutputPath") or "")
        uri = f"{output.rstrip('/')}/{run.name}/{FILE_NAME}"
        key = self._key(uri, RECORDS)
        if key is None:
            logger.warning("no record beside the model: its place is not the platform's", node=run.node, place=uri)
            return None
        # Encryption is left to the bucket, which knows its key.
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType="application/json")
        return uri

    def _key(self, uri: str, admitted: re.Pattern[str]) -> str | None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return key if bucket == self._bucket and admitted.fullmatch(key) else None

    def _size(self, key: str) -> int | None:
        """Of an object, None when there is none: S3 says so only to who may list."""
        found = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1).get("Contents") or ()
        return next((entry["Size"] for entry in found if entry["Key"] == key), None)


def _found_by_the_kit(kit: RunRecord, run: Run) -> dict[str, Any]:
    slices = kit.last_slices()
    if len(slices) > MOST_SLICES:
        logger.warning("not all slices are in the table; the record has them", node=run.node, slices=len(slices))
    use, kept = kit.hardware, kit.checkpoints
    return {
        "metrics": {**run.metrics, **kit.last_metrics()},
        "slices": slices[:MOST_SLICES],
        "hardware": use
        and {
            name: getattr(use, name)
            for name in "cpus cpu_percent_mean cpu_percent_max memory_bytes_total memory_bytes_max seconds".split()
        },
        "checkpoints_saved": kept and kept.saved,
        "resumed_from_step": kept and kept.resumed_from_step,
    }


@cache
def _prices(region: str) -> PriceBook:
    return read_prices(None, region)
