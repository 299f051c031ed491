"""The manifest of a data set: which objects, in which versions, with which bytes. Its root names the whole set."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from groundplan.canonical import canonical_json, digest
from groundplan.refusal import bad


@dataclass(frozen=True, order=True)
class Entry:
    """One object: its key below the manifest's prefix, S3's version of it, sha256 (hex) and size in bytes."""

    key: str
    version: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """Objects of a data set below `s3://<bucket>/<prefix>`, sorted by key."""

    bucket: str
    prefix: str
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, bucket: str, prefix: str, entries: Iterable[Entry]) -> "Manifest":
        """Sorts the entries; raises BadInput for none, for a key given twice, and for a key that climbs out."""
        ordered = tuple(sorted(entries))
        if not ordered:
            raise bad(f"s3://{bucket}/{prefix}", "manifest", "no files", "a data set has at least one file")
        for before, entry in zip((None, *ordered), ordered, strict=False):
            if before and before.key == entry.key:
                raise bad("manifest", "key", entry.key, "each key may stand once")
            if entry.key.startswith("/") or ".." in entry.key.split("/"):
                raise bad("manifest", "key", entry.key, "allowed: a path below the prefix, without '..'")
        return cls(bucket, prefix, ordered)

    @property
    def root(self) -> str:
        """sha256 over the sorted entries (key, version, sha256), 64 hex digits; where it lies does not matter."""
        return digest([[entry.key, entry.version, entry.sha256] for entry in self.entries])

    def to_json(self) -> bytes:
        """The document that is stored beside the data."""
        return canonical_json(
            {
                "root": self.root,
                "bucket": self.bucket,
                "prefix": self.prefix,
                "entries": [asdict(entry) for entry in self.entries],
            }
        )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Manifest":
        """Reads `to_json` back; raises BadInput when the root is not the one of the entries."""
        manifest = cls.of(document["bucket"], document["prefix"], (Entry(**entry) for entry in document["entries"]))
        if manifest.root != document["root"]:
            raise bad("manifest", "root", document["root"], f"the entries have the root {manifest.root}")
        return manifest
