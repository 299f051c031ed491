"""The training kit as the one file that goes into a training job: the same bytes wherever it is made."""

import io
import zipfile
from functools import cache
from pathlib import Path

import groundplan_training

# A zip knows no time before this one; what is packed has none, so that its digest says what is in it.
EPOCH = (1980, 1, 1, 0, 0, 0)


@cache
def training_kit() -> bytes:
    """A zip that Python runs (https://docs.python.org/3/library/zipapp.html), from the sources of the kit."""
    package = Path(groundplan_training.__file__).parent
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(package.glob("*.py")):
            archive.writestr(_entry(f"{package.name}/{path.name}"), path.read_bytes())
        archive.writestr(_entry("__main__.py"), (package / "__main__.py").read_bytes())
    return packed.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
