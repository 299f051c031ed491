"""Fetches a large file that may be cut off at any byte, and goes on where it was."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundplan.refusal import Refused, bad

CHUNK_BYTES = 64 * 1024
TIMEOUT_SECONDS = 30

Progress = Callable[[int, int | None], None]


def download(url: str, target: Path, *, progress: Progress = lambda _have, _of: None) -> None:
    """Write what `url` answers to `target`; raises Refused when it cannot be had.

    The part that has come is kept beside it, also between runs, and asked for no second time while the file on the
    server is the same. A cut connection is taken up again as long as each one brings something.
    """
    if not url.startswith(("https://", "http://")):
        raise bad("", "--from", url, "allowed: an address that starts with https:// or http://, or a file")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    while True:
        before = _size(part)
        try:
            _go_on(url, part, progress)
        except urllib.error.HTTPError as error:
            raise Refused(f"{url}: {error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException) as error:
            if _size(part) > before:
                continue
            why = str(getattr(error, "reason", "") or error)
            raise Refused(f"{url}: {why}; {_size(part)} bytes are kept, run it again to go on") from None
        part.replace(target)
        _tag_of(part).unlink(missing_ok=True)
        return


def _go_on(url: str, part: Path, progress: Progress) -> None:
    """One connection: the rest of the file, or all of it when the server's file is another one by now."""
    tag, have = _tag_of(part), _size(part)
    headers = {"Accept-Encoding": "identity"}
    if have and tag.is_file():
        headers |= {"Range": f"bytes={have}-", "If-Range": tag.read_text()}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was looked at
    answer: Any
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        part.unlink(missing_ok=True)  # it was complete, or the file is another one: from the start
        answer = urllib.request.urlopen(urllib.request.Request(url), timeout=TIMEOUT_SECONDS)  # noqa: S310
    with answer:
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        have = have if goes_on else 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        if not goes_on and (etag := answer.headers.get("ETag")):
            tag.write_text(etag)
        with part.open("ab" if goes_on else "wb") as file:
            progress(have, total)
            while chunk := answer.read(CHUNK_BYTES):
                file.write(chunk)
                have += len(chunk)
                progress(have, total)
    if total is not None and have < total:
        raise http.client.IncompleteRead(b"", total - have)


def _tag_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
