"""What is known of preparations and of quarantined data sets, in the artefacts bucket, where no job may write it."""

import json
from collections.abc import Mapping
from typing import Any

from groundplan.canonical import canonical_json
from groundplan.preparation import InvalidData, Preparation


class Preparations:
    """`s3` is boto3's client."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def data_uri(self, preparation: Preparation) -> str | None:
        """Where lies what came of it; None when it was not done yet. Raises InvalidData for quarantined data."""
        if known := self._read(preparation.quarantine_key):
            where = f"s3://{self._bucket}/{preparation.quarantine_key}"
            again = f"put it right and ingest it again: groundplan ingest {preparation.workload} FOLDER"
            raise InvalidData(f"the data set is in quarantine ({where}): {known['invalid']}; {again}")
        done = self._read(preparation.key)
        return str(done["data_uri"]) if done else None

    def keep(self, preparation: Preparation, data_uri: str, *, training_job: str) -> None:
        """Say that it is done; nothing is computed for the same inputs again."""
        self._write(preparation.key, {"data_uri": data_uri, "training_job_name": training_job})

    def quarantine(self, preparation: Preparation, why: str, *, data_uri: str, training_job: str) -> None:
        """No training takes this data set from now on."""
        said = {"invalid": why, "data_uri": data_uri, "training_job_name": training_job}
        self._write(preparation.quarantine_key, said | {"data_manifest_root": preparation.data_manifest_root})

    def _read(self, key: str) -> Mapping[str, Any] | None:
        # S3 says that an object is not there only to who may list.
        found = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1).get("Contents") or ()
        if not any(entry["Key"] == key for entry in found):
            return None
        return json.loads(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def _write(self, key: str, document: Mapping[str, str]) -> None:
        body = canonical_json(document)
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")
