"""Reads AWS's own price list: the offer file of one service and one region, as JSON.

Its shape: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html
(products by SKU with attributes; terms.OnDemand by SKU with price dimensions). Where the files lie:
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-the-aws-price-list-bulk-api.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from groundplan.json_value import Json, mapping

BASE = "https://pricing.us-east-1.amazonaws.com"
SOURCE = "AWS price list"
STALE_DAYS = 180
DISAGREEMENT = Decimal("0.01")

# The services whose file is read, and how the usage type (without its region) of a product becomes a key and a unit.
# SageMaker's instances are told by their attributes instead.
USAGE_TYPES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "AmazonSageMaker": {},
    "AWSLambda": {
        "Request": ("lambda/request", "request"),
        "Lambda-GB-Second": ("lambda/duration/x86", "GB-second"),
        "Lambda-GB-Second-ARM": ("lambda/duration/arm", "GB-second"),
    },
    "awskms": {"KMS-Keys": ("kms/key", "month"), "KMS-Requests": ("kms/request", "request")},
    "AmazonVPC": {
        "VpcEndpoint-Hours": ("vpc/interface_endpoint/hour", "hour"),
        "VpcEndpoint-Bytes": ("vpc/interface_endpoint/data", "GB"),
    },
    "AmazonECS": {
        "Fargate-vCPU-Hours:perCPU": ("fargate/vcpu/x86", "hour"),
        "Fargate-GB-Hours": ("fargate/memory/x86", "hour"),
        "Fargate-ARM-vCPU-Hours:perCPU": ("fargate/vcpu/arm", "hour"),
        "Fargate-ARM-GB-Hours": ("fargate/memory/arm", "hour"),
    },
}
COMPONENTS = ("Hosting", "Training", "Processing", "Notebook")
_REGION = r"(?:[A-Z]+\d*-|[a-z]+-[a-z]+-\d-)?"  # its short name stands before most: EUC1-, EU-, eu-central-1-


@dataclass(frozen=True)
class PriceList:
    """What an offer file says: rows of a price file, and the sizes of instance types."""

    service: str
    prices: Mapping[str, Mapping[str, str]]
    instance_types: Mapping[str, Json]


def read_price_list(document: object) -> PriceList:
    """The prices of an offer file that this project has a use for; raises ValueError when it is no offer file."""
    offer = mapping(document)
    service, products = offer.get("offerCode"), offer.get("products")
    on_demand = mapping(offer.get("terms")).get("OnDemand")
    if not isinstance(service, str) or not isinstance(products, dict) or not isinstance(on_demand, dict):
        raise ValueError("it lacks offerCode, products or terms.OnDemand")
    if service not in USAGE_TYPES:
        raise ValueError(f"it is of {service}; read are {', '.join(USAGE_TYPES)}")
    prices: dict[str, Mapping[str, str]] = {}
    sizes: dict[str, Json] = {}
    for sku, product in mapping(cast(object, products)).items():
        attributes = mapping(mapping(product).get("attributes"))
        if attributes.get("locationType", "AWS Region") != "AWS Region":
            continue
        named = _key(service, mapping(product), attributes)
        found = _first_tier(mapping(mapping(cast(object, on_demand)).get(sku)))
        if named and found:
            key, unit = named
            prices[key] = {
                "amount": format(found[0].normalize(), "f"),
                "confidence": "list",
                "effective": found[1].isoformat(),
                "source": SOURCE,
                "unit": unit,
            }
            name = key.rpartition("/")[2]
            if name.startswith("ml.") and (size := _size(attributes)):
                sizes[name] = size
    return PriceList(service, prices, sizes)


def renewed(document: Json, lists: list[PriceList], on: date) -> dict[str, Any]:
    """A region's price file with what the lists say; other rows stay, and are marked when they are too old to trust.

    A row that the list contradicts by more than 1 % is kept beside the new one, as a disagreement.
    """
    rows: dict[str, Any] = {key: _aged(row, on) for key, row in mapping(document.get("prices")).items()}
    models = {name: _aged(entry, on) for name, entry in mapping(document.get("models")).items()}
    types = dict(mapping(document.get("instance_types")))
    for one in lists:
        for key, row in _folded(one.prices).items():
            rows[key] = {**row, **_disagreement(rows.get(key), row)}
        for name, size in one.instance_types.items():
            types[name] = {**size, **mapping(types.get(name))}
    unknown = {key: reason for key, reason in mapping(document.get("unknown")).items() if key not in rows}
    sources = {**mapping(document.get("sources")), SOURCE: f"{BASE}/offers/v1.0/aws/, read {on}"}
    return {
        **document,
        "retrieved": on.isoformat(),
        "sources": sources,
        "instance_types": types,
        "models": models,
        "prices": rows,
        "unknown": unknown,
    }


def _folded(prices: Mapping[str, Json]) -> dict[str, Json]:
    """What hosting costs stands for the instance type; other components stand beside it where they cost otherwise."""
    rows = dict(prices)
    for key, row in prices.items():
        if key.startswith("sagemaker/hosting/"):
            name = key.rpartition("/")[2]
            rows[f"sagemaker/instance/{name}"] = row
            for component in COMPONENTS:
                own = f"sagemaker/{component.lower()}/{name}"
                if own in rows and rows[own]["amount"] == row["amount"]:
                    del rows[own]
    return rows


def _aged(row: Json, on: date) -> Json:
    try:
        days = (on - date.fromisoformat(row["effective"])).days
    except (KeyError, TypeError, ValueError):
        return row
    return {**row, "confidence": "stale"} if days > STALE_DAYS and row.get("confidence") != "list" else row


def _disagreement(before: Json | None, row: Mapping[str, str]) -> dict[str, Any]:
    if not before or before.get("source") == SOURCE:
        return {}
    try:
        old, new = Decimal(before["amount"]), Decimal(row["amount"])
    except (InvalidOperation, KeyError, TypeError):
        return {}
    return {"disagrees": {str(before.get("source")): str(old)}} if abs(old - new) > DISAGREEMENT * new else {}


def _key(service: str, product: Json, attributes: Json) -> tuple[str, str] | None:
    usage = str(attributes.get("usagetype"))
    if service == "AmazonSageMaker":
        name, component = str(attributes.get("instanceName")), attributes.get("component")
        if product.get("productFamily") == "ML Instance" and component in COMPONENTS and name.startswith("ml."):
            return f"sagemaker/{str(component).lower()}/{name}", "hour"
        serverless = re.fullmatch(rf"{_REGION}ServerlessInf:Mem-(\d+)GB", usage)
        return (f"sagemaker/serverless/{serverless[1]}gb", "second") if serverless else None
    endings = USAGE_TYPES[service].items()
    return next((found for ending, found in endings if re.fullmatch(_REGION + re.escape(ending), usage)), None)


def _first_tier(terms: Json) -> tuple[Decimal, date] | None:
    """The price of the first units that are charged, and since when."""
    tiers: list[tuple[Decimal, Decimal, date]] = []
    for term in terms.values():
        for dimension in mapping(mapping(term).get("priceDimensions")).values():
            try:
                amount = Decimal(mapping(dimension)["pricePerUnit"]["USD"])
                start = Decimal(mapping(dimension).get("beginRange") or mapping(dimension).get("startingRange") or 0)
                since = datetime.fromisoformat(mapping(term)["effectiveDate"].replace("Z", "+00:00")).date()
            except (InvalidOperation, KeyError, TypeError, ValueError, AttributeError):
                continue
            if amount.is_finite() and amount > 0:
                tiers.append((start, amount, since))
    return min(tiers)[1:] if tiers else None


def _size(attributes: Json) -> dict[str, Any] | None:
    try:
        memory = Decimal(str(attributes["memory"]).replace(",", "").split()[0])
        return {"vcpu": int(str(attributes["vCpu"])), "memory_gib": format(memory.normalize(), "f")}
    except (InvalidOperation, KeyError, ValueError, IndexError):
        return None


def offers(region: str) -> Iterator[tuple[str, str]]:
    """Each service that is read, and the path of its file below the base."""
    for service in USAGE_TYPES:
        yield service, f"offers/v1.0/aws/{service}/current/{region}/index.json"
