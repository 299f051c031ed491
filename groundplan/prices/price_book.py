"""Reads a region's price file and finds prices in it.

A file is JSON: `region`, `retrieved` (the day it was last renewed), `sources` (name to what it is), `instance_types`,
`models`, `prices` (key to amount, unit, effective date, source, confidence) and `unknown` (key to the reason).
Amounts are decimals as text, in US dollars for one unit.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast

from groundplan.json_value import Json, mapping
from groundplan.prices.price import InstanceType, ModelPrices, Price, Unknown
from groundplan.refusal import bad

DEAREST = 10**9  # dollars for one unit
PACKAGE = Path(__file__).parent
SECTIONS = ("sources", "instance_types", "models", "prices", "unknown")


@dataclass(frozen=True)
class RegionFactor:
    """Prices of the region `like`, times `factor`, stand in for those that a region's own file lacks."""

    like: str
    factor: Decimal
    reason: str


class PriceBook:
    """The prices of one region. Rows are read when they are asked for."""

    def __init__(
        self, region: str, document: Json, source: str, like: "tuple[PriceBook, Decimal] | None" = None
    ) -> None:
        self.region = region
        self._document = document
        self._source = source
        self._like = like

    @property
    def retrieved(self) -> date | None:
        """The day the snapshot was last renewed; None where there is no file."""
        if "retrieved" in self._document:
            return self._date("retrieved", self._document["retrieved"])
        return self._like[0].retrieved if self._like else None

    def keys(self) -> list[str]:
        """Every key of the region's own file that has a price, sorted."""
        models: Json = self._document["models"]
        tokens = [f"bedrock/{model}/{tier}" for model, entry in models.items() for tier in _tiers_of(entry)]
        return sorted([*self._document["prices"], *tokens])

    def find(self, key: str) -> Price | Unknown:
        """The price of `key`, as `sagemaker/hosting/ml.m5.xlarge` or `bedrock/<model>/input`, or why there is none.

        A SageMaker instance costs the same for hosting, training, processing and notebooks unless the file says
        otherwise, so `sagemaker/instance/ml.m5.xlarge` answers for all of them.
        """
        own = self._own(key)
        if isinstance(own, Price) or not self._like:
            return own
        book, factor = self._like
        other = book.find(key)
        if isinstance(other, Unknown):
            return own
        source = f"{book.region} x {factor}: {other.source}"
        return Price(other.amount * factor, other.unit, other.effective, source, "extrapolated")

    def instance(self, name: str) -> InstanceType | None:
        """The instance type, None when the region's file does not have it (or not how large it is)."""
        entry = self._document["instance_types"].get(name)
        if entry is None:
            return self._like[0].instance(name) if self._like else None
        try:
            specification: dict[str, Any] = {**entry, "memory_gib": Decimal(entry["memory_gib"])}
            return InstanceType(name=name, **specification)
        except (TypeError, KeyError, InvalidOperation):
            raise self._wrong(f"instance_types.{name}", entry, "allowed: vcpu, memory_gib, accelerator…") from None

    def instances(self) -> list[InstanceType]:
        """Every instance type whose size is known, sorted by name."""
        names = {
            *self._document["instance_types"],
            *(self._like[0]._document["instance_types"] if self._like else ()),
        }
        return [found for name in sorted(names) if (found := self.instance(name))]

    def model(self, id: str) -> ModelPrices | None:  # noqa: A002
        """The foundation model or inference profile of this id, None when the region's file does not have it."""
        field = f"models.{id}"
        entry = self._document["models"].get(id)
        if entry is None:
            found = self._like[0].model(id) if self._like else None
            return found and replace(found, prices=self._tiers(id, found.prices))
        try:
            return ModelPrices(
                id=id,
                mode=str(entry["mode"]),
                max_input_tokens=entry.get("max_input_tokens"),
                max_output_tokens=entry.get("max_output_tokens"),
                end_of_life=self._date(f"{field}.end_of_life", end) if (end := entry.get("end_of_life")) else None,
                prices=self._tiers(id, entry["prices"]),
            )
        except (KeyError, TypeError, AttributeError):
            raise self._wrong(field, entry, "allowed: mode, prices, source, effective, confidence…") from None

    def _tiers(self, model: str, tiers: Iterable[str]) -> dict[str, Price]:
        found = {tier: self.find(f"bedrock/{model}/{tier}") for tier in tiers}
        return {tier: price for tier, price in found.items() if isinstance(price, Price)}

    def models(self) -> list[str]:
        """The ids of the models that have a price here, sorted."""
        return sorted({*self._document["models"], *(self._like[0].models() if self._like else ())})

    def unknown(self) -> dict[str, str]:
        """Keys that the file knows to lack, and why."""
        return {str(key): str(reason) for key, reason in sorted(self._document["unknown"].items())}

    def disagreements(self) -> list[tuple[str, Price, Json]]:
        """Keys whose sources disagree by more than 1 %: the price that counts, and what others say."""
        rows: Json = self._document["prices"]
        found = {key: mapping(mapping(row).get("disagrees")) for key, row in sorted(rows.items())}
        return [
            (key, price, others)
            for key, others in found.items()
            if others and isinstance(price := self.find(key), Price)
        ]

    def _own(self, key: str) -> Price | Unknown:
        row = self._document["prices"].get(key)
        if row is not None:
            return self._price(f"prices.{key}", row, row)
        if key in self._document["unknown"]:
            return Unknown(key, str(self._document["unknown"][key]))
        service, _, rest = key.partition("/")
        if service == "bedrock":
            return self._tokens(*self._split(rest))
        component, _, instance = rest.partition("/")
        if service == "sagemaker" and instance.startswith("ml.") and component != "instance":
            found = self._own(f"sagemaker/instance/{instance}")
            return found if isinstance(found, Price) else Unknown(key, found.reason)
        return Unknown(key, self._why(key))

    def _split(self, rest: str) -> tuple[str, str]:
        """Model and tier of `<model>/<tier>`: both may hold slashes, so the longest model that is known wins."""
        models = self._document["models"]
        for end in range(len(rest), 0, -1):
            if rest[end : end + 1] == "/" and rest[:end] in models:
                return rest[:end], rest[end + 1 :]
        model, _, tier = rest.partition("/")
        return model, tier

    def _tokens(self, model: str, tier: str) -> Price | Unknown:
        key = f"bedrock/{model}/{tier}"
        entry = self._document["models"].get(model)
        if entry is None:
            return Unknown(key, self._why(key))
        tiers = _tiers_of(entry)
        if tier not in tiers:
            return Unknown(key, f"{model} has no price for {tier}; it has: {', '.join(tiers)}")
        row = {"amount": tiers[tier], "unit": _unit(tier)}
        return self._price(f"models.{model}.prices.{tier}", row, entry)

    def _price(self, field: str, row: Json, origin: Json) -> Price:
        try:
            amount = Decimal(row["amount"])
            if not amount.is_finite() or not 0 <= amount <= DEAREST:
                raise InvalidOperation
            effective = date.fromisoformat(origin["effective"])
            return Price(amount, str(row["unit"]), effective, str(origin["source"]), str(origin["confidence"]))
        except (InvalidOperation, KeyError, TypeError, ValueError):
            wanted = "allowed: amount (a decimal as text), unit, effective (YYYY-MM-DD), source, confidence"
            raise self._wrong(field, row, wanted) from None

    def _date(self, field: str, value: object) -> date:
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            raise self._wrong(field, value, "allowed: a day, YYYY-MM-DD") from None

    def _wrong(self, field: str, value: object, allowed: str) -> Exception:
        return bad(
            self._source, field, value, f"{allowed}; renew it: groundplan prices refresh --region {self.region}"
        )

    def _why(self, key: str) -> str:
        if "retrieved" not in self._document:
            return f"there is no price file for {self.region}"
        return f"the price file of {self.region} has no {key}"


def price_file(root: Path | None, region: str) -> Path:
    """Where a region's prices lie: in the repository `root`, or in this package when it has none."""
    folder = root / "groundplan/prices" if root else PACKAGE
    return (folder if folder.is_dir() else PACKAGE) / f"{region}.json"


def read_prices(root: Path | None, region: str, factor: RegionFactor | None = None) -> PriceBook:
    """The prices of a region from the repository `root`, or with None those that ship with this package.

    A region without a file has a book in which everything is Unknown, but for what `factor` extrapolates. Raises
    BadInput for a file that is malformed or half written.
    """
    path = price_file(root, region)
    if factor is None:
        return PriceBook(region, _read(path, region), _shown(path))
    like = price_file(root, factor.like)
    if not like.is_file():
        raise bad("", "prices.region_factor.like", factor.like, "allowed: a region that has a price file")
    other = PriceBook(factor.like, _read(like, factor.like), _shown(like))
    return PriceBook(region, _read(path, region), _shown(path), (other, factor.factor))


def _shown(path: Path) -> str:
    return f"groundplan/prices/{path.name}"


def _read(path: Path, region: str) -> dict[str, Any]:
    if not path.is_file():
        return {section: {} for section in SECTIONS}
    renew = f"renew it: groundplan prices refresh --region {region}"
    try:
        parsed: object = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise bad(_shown(path), "", str(error), f"it must be JSON; {renew}") from None
    except OSError as error:
        raise bad(_shown(path), "", error.strerror or "an unreadable file", "the file must be readable") from None
    if not isinstance(parsed, dict):
        raise bad(_shown(path), "", parsed, f"it must be a JSON object; {renew}")
    document = cast(dict[str, Any], parsed)
    for section in SECTIONS:
        if not isinstance(document.get(section), dict):
            raise bad(_shown(path), section, document.get(section), f"it must be a JSON object; {renew}")
    if document.get("region") != region:
        raise bad(_shown(path), "region", document.get("region"), f'allowed: "{region}", the name of the file')
    if "retrieved" not in document:
        raise bad(_shown(path), "retrieved", None, f"allowed: a day, YYYY-MM-DD; {renew}")
    return document


def _tiers_of(entry: object) -> Json:
    return mapping(mapping(entry).get("prices"))


def _unit(tier: str) -> str:
    kind = tier.partition("/")[0]
    if kind.endswith("-image"):
        return "image"
    if kind.endswith("second"):
        return "second"
    return "query" if kind == "query" else "token"
