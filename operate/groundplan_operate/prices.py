"""`groundplan prices`: renew the price files from AWS's own list, and look how good they are."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from groundplan.estimate import estimate, read_stacks
from groundplan.prices import PriceBook, check_age, price_file, rate, read_prices, today
from groundplan.prices.age import REFUSE_DAYS, WARN_DAYS
from groundplan.prices.price_book import SECTIONS
from groundplan.prices.price_list import BASE, PriceList, offers, read_price_list, renewed
from groundplan.prices.token_prices import models_of
from groundplan.refusal import BadInput, Refused, bad
from groundplan.regions import REGIONS
from groundplan_operate.download import download
from groundplan_operate.options import as_json, repository


@click.group
def prices() -> None:
    """Renew the unit prices that plans and estimates count with, and check them."""


@prices.command
@click.option("--region", default="us-east-1", show_default=True, help="whose prices; one file a region")
@click.option(
    "--from", "origin", default=BASE, show_default=True, help="a mirror's address, or an offer file at hand"
)
@click.option("--tokens", type=click.Path(path_type=Path), help="litellm's model_prices_and_context_window.json")
@as_json
def refresh(region: str, origin: str, tokens: Path | None, as_json: bool) -> None:
    """Read AWS's price list and write the region's price file anew.

    Prices that the list does not hold stay as they are, with their date and source. A download that is cut off goes
    on where it was; the price file changes at the end only, and as a whole.
    """
    root = repository()
    if region not in REGIONS:
        raise bad("", "--region", region, f"allowed: {', '.join(sorted(REGIONS))}")
    file = price_file(root, region)
    before = _document(file, region)
    lists = [_offer(Path(origin))] if Path(origin).is_file() else _offers(root, region, origin, quiet=as_json)
    if not any(one.prices for one in lists):
        raise Refused(f"{origin} holds no price of {region} that is read; nothing was changed")
    after = renewed(before, lists, today())
    if tokens:
        after["models"] = _models(tokens, region)
        after["sources"] |= {tokens.name: "token prices of the package litellm (MIT)"}
    _write(file, after)
    changed = sorted(key for key, row in after["prices"].items() if before["prices"].get(key) != row)
    if as_json:
        told = {"region": region, "file": str(file), "retrieved": after["retrieved"], "changed_prices": changed}
        click.echo(json.dumps({"price_files": [told]}, indent=2))
    else:
        click.echo(f"{file.name}: {len(changed)} of {len(after['prices'])} prices changed; see git diff {file}")


def _document(file: Path, region: str) -> dict[str, Any]:
    """The file as it is; an empty one where there is none or where it cannot be read."""
    empty: dict[str, Any] = {"region": region, "currency": "USD", **{section: {} for section in SECTIONS}}
    if not file.is_file():
        return empty
    try:
        read_prices(file.parents[2], region)
    except BadInput as error:
        click.echo(f"groundplan: {error}; it is made anew", err=True)
        return empty
    return json.loads(file.read_text())


def _offers(root: Path, region: str, base: str, *, quiet: bool) -> list[PriceList]:
    """Every service's list, fetched into `.groundplan/prices` and removed once it was read."""
    folder = root / ".groundplan/prices" / region
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    found: list[PriceList] = []
    with Progress(*columns, console=Console(file=sys.stderr), disable=quiet or not sys.stderr.isatty()) as bars:
        for service, path in offers(region):
            bar = bars.add_task(service, total=None)
            file = folder / f"{service}.json"
            download(
                f"{base.rstrip('/')}/{path}",
                file,
                progress=lambda have, of, bar=bar: bars.update(bar, completed=have, total=of),
            )
            try:
                found.append(_offer(file))
            finally:
                file.unlink()
    return found


def _offer(file: Path) -> PriceList:
    try:
        return read_price_list(json.loads(file.read_bytes()))
    except (ValueError, RecursionError) as error:
        raise Refused(f"{file.name} is no price list that can be used: {error}; nothing was changed") from None


def _models(tokens: Path, region: str) -> dict[str, Any]:
    try:
        entries: Mapping[str, Any] = json.loads(tokens.read_bytes())
        found = models_of(entries, region, effective=today().isoformat(), source=tokens.name)
    except (OSError, ValueError, AttributeError, KeyError, RecursionError) as error:
        raise bad(str(tokens), "", str(error), "allowed: litellm's model_prices_and_context_window.json") from None
    if not found:
        raise bad(str(tokens), "", f"no model of Bedrock in {region}", "allowed: litellm's list of model prices")
    return found


def _write(file: Path, document: Mapping[str, Any]) -> None:
    """The whole file or nothing of it."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w") as handle:
            handle.write(json.dumps(document, indent=1, sort_keys=True) + "\n")
        Path(draft).chmod(0o644)
        Path(draft).replace(file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


@prices.command
@click.option("--region", help="one region; every price file when left out")
@click.option("--assembly", type=click.Path(path_type=Path), help="also: which prices its estimate asks for in vain")
@as_json
def check(region: str | None, assembly: Path | None, as_json: bool) -> None:
    """Show how old the price files are, what they lack, and where their sources disagree."""
    root = repository()
    files = sorted(price_file(root, "us-east-1").parent.glob("*.json"))
    known = [file.stem for file in files]
    if region and region not in known:
        raise bad("", "--region", region, f"allowed: a region with a price file: {', '.join(known)}")
    asked = _asked(root, assembly) if assembly else {}
    found = [_checked(read_prices(root, one), asked.get(one, {})) for one in ([region] if region else known)]
    if as_json:
        click.echo(json.dumps({"price_files": found}, indent=2))
    else:
        for one in found:
            _show(one)
    refused = [one["region"] for one in found if one["state"] == "refused"]
    if refused:
        raise Refused(f"too old to be used (more than {REFUSE_DAYS} days): {', '.join(refused)}")


def _asked(root: Path, assembly: Path) -> dict[str, dict[str, str]]:
    """Region to the keys, and reasons, that an estimate of the assembly asks for in vain."""
    stacks, findings = read_stacks(assembly)
    if findings:
        raise BadInput(findings)
    gaps: dict[str, dict[str, str]] = {}
    for region in {stack.region for stack in stacks}:
        own = [stack for stack in stacks if stack.region == region]
        gaps[region] = estimate(own, lambda one: read_prices(root, one)).prices_missing()
    return gaps


def _checked(book: PriceBook, asked: Mapping[str, str]) -> dict[str, Any]:
    retrieved = book.retrieved
    days = (today() - retrieved).days if retrieved else 0
    confidences = [book.find(key) for key in book.keys()]  # noqa: SIM118 - a method of the book
    names = sorted({getattr(price, "confidence", "unknown") for price in confidences})
    return {
        "region": book.region,
        "retrieved": retrieved.isoformat() if retrieved else None,
        "age_days": days,
        "state": "refused" if days > REFUSE_DAYS else "old" if days > WARN_DAYS else "fresh",
        "warning": check_age(book, today(), accepted="only looked at") or None,
        "confidences": {
            name: sum(getattr(price, "confidence", "unknown") == name for price in confidences) for name in names
        },
        "gaps": [{"key": key, "reason": reason} for key, reason in sorted({**book.unknown(), **asked}.items())],
        "disagreements": [
            {"key": key, "price": rate(price), "source": price.source, "others": dict(others)}
            for key, price, others in book.disagreements()
        ],
    }


def _show(one: Mapping[str, Any]) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in one["confidences"].items())
    click.echo(f"{one['region']}: {one['state']}, {one['age_days']} days old ({one['retrieved']}); prices: {counts}")
    for gap in one["gaps"]:
        click.echo(f"  lacks {gap['key']}: {gap['reason']}")
    for two in one["disagreements"]:
        others = ", ".join(f"{source} has {amount}" for source, amount in two["others"].items())
        click.echo(f"  disagrees {two['key']}: {two['price']} ({two['source']}); {others}")
