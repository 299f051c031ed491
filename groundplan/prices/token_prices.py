"""Token prices of Bedrock from the JSON that the package litellm ships (`model_prices_and_context_window.json`).

https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json, MIT. The file is read, the package
is never imported. A price of zero there says nothing about AWS and is left out.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from groundplan.json_value import mapping

PROVIDERS = ("bedrock", "bedrock_converse")
GEOGRAPHIES = {
    "us": ("us-",),
    "eu": ("eu-",),
    "apac": ("ap-",),
    "au": ("ap-southeast-2", "ap-southeast-4"),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "in": ("ap-south-1", "ap-south-2"),
    "us-gov": ("us-gov-",),
}
_COMMON_REGION = "us-east-1"  # where an entry without a region was read
_KIND = re.compile(
    r"(?P<kind>input_cost_per_token|output_cost_per_token|cache_read_input_token_cost|cache_creation_input_token_cost"
    r"|(?:input|output)_cost_per_(?:audio_token|image_token|image)|input_cost_per_query|cost_per_second"
    r"|input_cost_per_(?:audio|video)_per_second)"
    r"(?P<hour>_above_1hr)?(?:_above_(?P<above>\d+k)_tokens)?(?:_(?P<tier>batches|flex|priority|ultrafast))?"
)
_NAMES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache-read",
    "cache_creation_input_token_cost": "cache-write",
    "input_cost_per_query": "query",
    "cost_per_second": "second",
}


def tier_of(field: str) -> str | None:
    """`input/above-200k/batch` of `input_cost_per_token_above_200k_tokens_batches`; None for other fields."""
    match = _KIND.fullmatch(field)
    if match is None:
        return None
    kind = match["kind"]
    name = _NAMES.get(kind) or kind.replace("_cost_per_", "-").replace("_per_", "-").replace("_", "-")
    parts = [name + ("-1h" if match["hour"] else "")]
    parts += [f"above-{match['above']}"] if match["above"] else []
    parts += [{"batches": "batch"}.get(match["tier"], match["tier"])] if match["tier"] else []
    return "/".join(parts)


def models_of(entries: Mapping[str, Any], region: str, *, effective: str, source: str) -> dict[str, dict[str, Any]]:
    """The `models` section of a region's price file, from litellm's entries."""
    found: dict[str, dict[str, Any]] = {}
    specific: set[str] = set()
    for name, given in sorted(entries.items()):
        entry = mapping(given)
        if entry.get("litellm_provider") not in PROVIDERS:
            continue
        for model, own in _ids(name, region):
            prices = dict(_prices(entry))
            if not prices or (model in specific and not own):
                continue
            if own:
                specific.add(model)
            row: dict[str, Any] = {"mode": entry["mode"], "prices": prices}
            row |= {limit: entry[limit] for limit in ("max_input_tokens", "max_output_tokens") if limit in entry}
            if "deprecation_date" in entry:
                row["end_of_life"] = entry["deprecation_date"]
            found[model] = row | {"confidence": "single-source", "effective": effective, "source": source}
    return found


def _prices(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field, value in sorted(entry.items()):
        tier = tier_of(field)
        if tier and isinstance(value, int | float) and 0 < value < float("inf"):
            yield tier, format(Decimal(str(value)).normalize(), "f")


def _ids(name: str, region: str) -> Iterator[tuple[str, bool]]:
    """The model id of an entry in a region, and whether the entry names that region; nothing for another region's."""
    own = name.removeprefix(f"bedrock/{region}/")
    if own != name:
        yield own, True
        return
    rest = name.removeprefix("bedrock/")
    if rest.startswith("*/"):
        yield rest.removeprefix("*/"), False
        return
    place = rest.partition("/")[0]
    if re.fullmatch(r"[a-z]{2}(-gov)?-[a-z]+-\d", place):
        return
    geography = rest.partition(".")[0]
    if geography == "global" or (geography in GEOGRAPHIES and region.startswith(GEOGRAPHIES[geography])):
        yield rest, False
    elif geography not in GEOGRAPHIES and region == _COMMON_REGION:
        yield rest.removeprefix("invoke/"), False
