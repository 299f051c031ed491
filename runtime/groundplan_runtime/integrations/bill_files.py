"""Which files of a bill are read: what they are by their first bytes, and which of them say the same again."""

import codecs
import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from groundplan.focus.columns import Layout, layout
from groundplan.focus.report import BillFile
from groundplan.refusal import BadInput, Finding, bad

# The columns of a Parquet file; raises BadInput for one that cannot be read.
ParquetColumns = Callable[[Path], Sequence[str]]

ENDINGS = (".csv", ".csv.gz", ".parquet")
LONGEST_HEADER = 1 << 20
# Where AWS delivers an export that keeps its earlier deliveries, each in a folder that begins with its time:
# https://docs.aws.amazon.com/cur/latest/userguide/dataexports-export-delivery.html
DELIVERY = re.compile(r"(?P<export>.*/data/BILLING_PERIOD=[0-9]{4}-[0-9]{2})/(?P<delivery>[^/]+)/[^/]+")


@dataclass(frozen=True)
class Source:
    """A file that can be read. `header` are its columns in their order; `layout` is where what is read stands."""

    path: Path
    format: Literal["csv", "parquet"]
    header: tuple[str, ...]
    layout: Layout
    gzipped: bool = False

    def as_file(self, status: str = "counted", reason: str = "") -> BillFile:
        """As the report lists it."""
        return BillFile(str(self.path), status, self.format, self.layout.version, reason)


@dataclass(frozen=True)
class Looked:
    """What files turned out to be."""

    sources: tuple[Source, ...]
    left_out: tuple[BillFile, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def look(paths: Sequence[Path], parquet_columns: ParquetColumns) -> Looked:
    """Files, and those below folders, in their order. Contents that were given already are left out, as are earlier
    deliveries of an export."""
    sources: list[Source] = []
    findings: list[Finding] = []
    left_out: list[BillFile] = []
    notes: list[str] = []
    for path in _files(paths, findings):
        try:
            source = _source(path, parquet_columns)
        except BadInput as error:
            findings += error.findings
            left_out.append(BillFile(str(path), "refused", reason=str(error.findings[0])))
            continue
        sources.append(source)
        notes += _notes(source)
    kept, again = _once(sources)
    kept, earlier = _newest(kept)
    return Looked(tuple(kept), (*left_out, *again, *earlier), tuple(findings), tuple(notes))


def _files(paths: Sequence[Path], findings: list[Finding]) -> Iterator[Path]:
    for path in dict.fromkeys(paths):
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.name.endswith(ENDINGS) and one.is_file())
            if not inside:
                findings.append(
                    Finding(str(path), "", "a folder without any", f"allowed: {', '.join(ENDINGS)} in it")
                )
            yield from inside
        else:
            yield path


def _source(path: Path, parquet_columns: ParquetColumns) -> Source:
    try:
        with path.open("rb") as file:
            begin = file.read(4)
            size = file.seek(0, 2)
            file.seek(max(0, size - 4))
            end = file.read(4)
    except OSError as error:
        raise bad(str(path), "", error.strerror or "an unreadable file", "it must be a readable file") from None
    if not size:
        raise bad(str(path), "", "an empty file", "it must have a header; an export without charges has one too")
    if begin == b"PAR1":
        if end != b"PAR1":
            allowed = "a Parquet file ends with PAR1; this one was cut off: fetch it again"
            raise bad(str(path), "", f"{size:,} bytes that end with {end!r}", allowed)
        return _laid_out(path, "parquet", parquet_columns(path))
    if path.suffix == ".parquet":
        raise bad(str(path), "", f"a file that begins with {begin!r}", "a Parquet file begins and ends with PAR1")
    if begin[:2] == b"PK":
        raise bad(str(path), "", "a zip archive", "allowed: CSV, also gzipped, or Parquet; unpack it")
    gzipped = begin[:2] == b"\x1f\x8b"
    return replace(_laid_out(path, "csv", _header(path, gzipped=gzipped)), gzipped=gzipped)


def _header(path: Path, *, gzipped: bool) -> list[str]:
    try:
        with path.open("rb") as file:
            begin = (gzip.GzipFile(fileobj=file) if gzipped else file).read(LONGEST_HEADER)
    except (OSError, EOFError, zlib.error) as error:
        raise bad(str(path), "", str(error), "a gzipped file must be whole: fetch it again") from None
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(begin)
    except UnicodeDecodeError as error:
        row = _rows(begin[: error.start].decode("utf-8-sig") + "?")
        raise bad(str(path), f"row {row}", f"byte {error.start}", "it must be CSV in UTF-8") from None
    if "\0" in text:
        raise bad(str(path), "", "binary data", "allowed: CSV in UTF-8, also gzipped, or Parquet")
    try:
        return next(csv.reader(text.splitlines(keepends=True)), list[str]())
    except csv.Error as error:
        raise bad(str(path), "header", str(error), "it must be CSV: commas, and quotes that are closed") from None


def _rows(text: str) -> int:
    """How many rows of CSV a text has; one may go over many lines."""
    try:
        return sum(1 for _ in csv.reader(io.StringIO(text, newline="")))
    except csv.Error:  # a field without an end
        return text.count("\n") + 1


def _laid_out(path: Path, kind: Literal["csv", "parquet"], header: Sequence[str]) -> Source:
    found = layout(header)
    if not found.names:
        raise bad(str(path), "header", ",".join(header), "it must be a FOCUS export: CSV with commas, or Parquet")
    has_it = "every FOCUS export of 1.0 to 1.4 has this column, and no total is right without it"
    missing = [Finding(str(path), f"column {name}", "nothing", has_it) for name in found.missing]
    twice = [Finding(str(path), f"column {name}", "twice", "a column may stand once") for name in found.twice]
    if missing or twice:
        raise BadInput([*missing, *twice])
    return Source(path, kind, tuple(header), found)


def _notes(source: Source) -> Iterator[str]:
    if source.layout.unknown:
        yield f"{source.path}: ignored, for they are not of FOCUS: {', '.join(map(_visible, source.layout.unknown))}"
    if source.layout.absent:
        yield f"{source.path}: without {', '.join(source.layout.absent)}; what they would tell is missing here"


def _visible(name: str) -> str:
    return name if name.isprintable() and name else ascii(name)


def _once(sources: Sequence[Source]) -> tuple[list[Source], list[BillFile]]:
    """The sources without those whose bytes were given already. Only equal sizes are compared."""
    sizes: dict[int, list[Source]] = {}
    for source in sources:
        sizes.setdefault(source.path.stat().st_size, []).append(source)
    first: dict[str, Source] = {}
    again: list[BillFile] = []
    for alike in sizes.values():
        for source in alike if len(alike) > 1 else ():
            digest = _digest(source.path)
            if digest in first:
                again.append(source.as_file("left out", f"the same bytes as {first[digest].path}"))
            first.setdefault(digest, source)
    names = {one.name for one in again}
    return [source for source in sources if str(source.path) not in names], again


def _newest(sources: Sequence[Source]) -> tuple[list[Source], list[BillFile]]:
    """Of each export and month the files of the last delivery."""
    places: Mapping[Path, re.Match[str] | None] = {
        source.path: DELIVERY.fullmatch(source.path.resolve().as_posix()) for source in sources
    }
    last: dict[str, str] = {}
    for place in filter(None, places.values()):
        last[place["export"]] = max(place["delivery"], last.get(place["export"], ""))
    kept: list[Source] = []
    earlier: list[BillFile] = []
    for source in sources:
        place = places[source.path]
        if place and place["delivery"] != last[place["export"]]:
            earlier.append(source.as_file("left out", f"delivered again as {last[place['export']]}"))
        else:
            kept.append(source)
    return kept, earlier


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
