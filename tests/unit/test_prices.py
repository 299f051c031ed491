"""Prices are dated, sourced and exact; what is not known says so, and is never counted as zero."""

import contextlib
import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.prices import Money, Price, PriceBook, RegionFactor, Unknown, price_file, read_prices
from groundplan.prices.price import CERTAIN
from groundplan.prices.token_prices import models_of, tier_of
from groundplan.refusal import BadInput

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "groundplan/prices").glob("*.json"))
ROW = {
    "amount": "0.23",
    "unit": "hour",
    "effective": "2026-09-27",
    "source": "a table",
    "confidence": "single-source",
}
EMPTY: dict[str, Any] = {
    "region": "us-east-1",
    "retrieved": "2026-11-20",
    "sources": {},
    "instance_types": {},
    "models": {},
    "prices": {},
    "unknown": {},
}


def known(found: Price | Unknown) -> Price:
    """The price, which must be there."""
    assert isinstance(found, Price), found
    return found


def written(root: Path, document: object, region: str = "us-east-1") -> Path:
    """A repository at `root` whose price file of `region` is `document`."""
    folder = root / "groundplan/prices"
    folder.mkdir(parents=True, exist_ok=True)
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / f"{region}.json").write_text(text)
    return root


def test_a_price_is_a_decimal_with_unit_date_source_and_confidence() -> None:
    price = known(read_prices(ROOT, "us-east-1").find("sagemaker/hosting/ml.m5.xlarge"))
    assert price.amount == Decimal("0.23")
    assert (price.unit, price.effective, price.confidence) == ("hour", date(2026, 9, 27), "crosschecked")
    assert "us-east-1 table 2026-09-27" in price.source


def test_hosting_training_processing_and_notebooks_cost_what_the_instance_costs() -> None:
    book = read_prices(None, "us-east-1")
    components = ("hosting", "training", "processing", "transform", "notebook")
    assert len({known(book.find(f"sagemaker/{component}/ml.inf2.8xlarge")) for component in components}) == 1


def test_a_component_with_a_price_of_its_own_has_that_price(tmp_path: Path) -> None:
    rows = {"sagemaker/instance/ml.m5.large": ROW, "sagemaker/training/ml.m5.large": ROW | {"amount": "0.2"}}
    book = read_prices(written(tmp_path, EMPTY | {"prices": rows}), "us-east-1")
    assert known(book.find("sagemaker/training/ml.m5.large")).amount == Decimal("0.2")
    assert known(book.find("sagemaker/hosting/ml.m5.large")).amount == Decimal("0.23")


def test_token_prices_have_cache_batch_and_long_context_tiers() -> None:
    model = read_prices(None, "us-east-1").model("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert model
    assert model.end_of_life == date(2027, 4, 8)
    assert known(model.price("input")).amount == Decimal("0.0000033")
    assert known(model.price("input/batch")).amount == Decimal("0.00000165")
    assert known(model.price("cache-write-1h/above-200k")).amount == Decimal("0.0000132")
    assert isinstance(model.price("input/flex"), Unknown)


def test_a_model_is_found_by_key_also_when_its_id_holds_slashes() -> None:
    book = read_prices(None, "us-east-1")
    assert known(book.find("bedrock/us.amazon.nova-lite-v1:0/input")).unit == "token"
    assert known(book.find("bedrock/1-month-commitment/cohere.command-text-v14/second")).amount == Decimal("0.011")


def test_what_was_read_for_another_region_only_is_unknown() -> None:
    found = read_prices(None, "us-east-1").find("sagemaker/hosting/ml.g7e.2xlarge")
    assert isinstance(found, Unknown)
    assert found.key == "sagemaker/hosting/ml.g7e.2xlarge"
    assert "us-west-2 only" in found.reason
    assert known(read_prices(None, "us-west-2").find("sagemaker/hosting/ml.g7e.2xlarge")).amount == Decimal("4.2039")


def test_a_price_that_is_old_or_taken_from_elsewhere_is_not_certain() -> None:
    book = read_prices(None, "us-east-1")
    assert known(book.find("athena/scanned")).confidence == "stale"
    assert known(book.find("sagemaker/serverless/1gb")).confidence == "extrapolated"
    assert known(book.find("sagemaker/serverless/3gb")).certain


def test_a_region_without_a_file_knows_nothing_and_says_why() -> None:
    book = read_prices(ROOT, "me-south-1")
    assert book.find("kms/key") == Unknown("kms/key", "there is no price file for me-south-1")
    assert book.instances() == []
    assert book.model("amazon.nova-lite-v1:0") is None


def test_a_factor_extrapolates_what_the_region_lacks_and_is_not_certain() -> None:
    book = read_prices(ROOT, "eu-central-1", RegionFactor("us-east-1", Decimal("1.1"), "like its EC2 prices"))
    price = known(book.find("sagemaker/hosting/ml.m5.xlarge"))
    assert price.amount == Decimal("0.253")
    assert price.confidence == "extrapolated"
    assert not price.certain
    assert known(book.find("bedrock/eu.amazon.nova-lite-v1:0/input")).certain
    assert book.instance("ml.m5.xlarge")
    model = book.model("us.amazon.nova-lite-v1:0")
    assert model
    assert not known(model.price("output")).certain
    assert isinstance(book.find("sagemaker/hosting/ml.g7e.2xlarge"), Unknown)


def test_instances_tell_their_size_and_accelerator() -> None:
    book = read_prices(None, "us-east-1")
    inferentia, gpu, cpu = (book.instance(name) for name in ("ml.inf2.24xlarge", "ml.g5.12xlarge", "ml.m5.large"))
    assert inferentia
    assert gpu
    assert cpu
    assert (inferentia.accelerator, inferentia.neuron_cores, inferentia.accelerator_memory_gib) == (
        "Inferentia2",
        12,
        192,
    )
    assert (gpu.accelerator, gpu.accelerator_count, gpu.accelerator_memory_gib) == ("A10G", 4, 96)
    assert (cpu.vcpu, cpu.memory_gib, cpu.accelerator) == (2, Decimal(8), None)
    assert book.instance("ml.m9.huge") is None
    assert len(book.instances()) > 130


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_price_of_every_file_can_be_read_and_names_its_source(file: Path) -> None:
    text = file.read_text()
    document = json.loads(text)
    assert text == json.dumps(document, indent=1, sort_keys=True) + "\n"
    book = read_prices(ROOT, file.stem)
    for key in book.keys():  # noqa: SIM118 - a method of the book
        price = known(book.find(key))
        assert price.amount > 0, key
        assert set(price.source.split("; ")) <= set(document["sources"]), key
        assert price.confidence in (*CERTAIN, "stale", "extrapolated"), key
        assert isinstance(document["retrieved"], str)
    for model in book.models():
        assert book.model(model)
    assert all(instance.vcpu for instance in book.instances())


WRONG = {
    "half written": ('{"region": "us-east-1", "prices": {"kms', "JSON"),
    "a list": ("[]", "a JSON object"),
    "a section that is not there": (EMPTY | {"prices": None}, "prices"),
    "another region's": (EMPTY | {"region": "eu-west-1"}, "the name of the file"),
    "deeply nested": ("[" * 100_000, "JSON"),
}


@pytest.mark.parametrize(("document", "said"), WRONG.values(), ids=WRONG)
def test_a_malformed_file_is_one_line_that_says_what_to_do(tmp_path: Path, document: object, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        read_prices(written(tmp_path, document), "us-east-1")
    assert "groundplan/prices/us-east-1.json" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "NaN"},
        {"amount": "-1"},
        {"amount": None},
        {"amount": "1e999"},
        {"effective": "soon"},
        {"unit": ...},
    ],
)
def test_a_malformed_row_is_named_when_it_is_asked_for(tmp_path: Path, change: dict[str, Any]) -> None:
    row = {key: value for key, value in (ROW | change).items() if value is not ...}
    book = read_prices(written(tmp_path, EMPTY | {"prices": {"kms/key": row}}), "us-east-1")
    with pytest.raises(BadInput, match=r"prices\.kms/key"):
        book.find("kms/key")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("2026-01-01"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ROW, "prices", "mode"]), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(section=st.sampled_from(["prices", "models", "instance_types", "unknown"]), value=JSON, retrieved=JSON)
def test_whatever_a_section_holds_the_answer_is_a_price_an_unknown_or_bad_input(
    section: str, value: object, retrieved: object
) -> None:
    document = EMPTY | {section: {"kms/key": value, "m": value, "ml.x": value}, "retrieved": retrieved}
    book = PriceBook("us-east-1", document, "groundplan/prices/us-east-1.json")
    for ask in (
        lambda: book.find("kms/key"),
        lambda: book.find("bedrock/m/input"),
        lambda: book.model("m"),
        lambda: book.instance("ml.x"),
        lambda: book.instances(),
        lambda: [book.find(key) for key in book.keys()],  # noqa: SIM118 - a method of the book
        lambda: book.disagreements(),
        lambda: book.unknown(),
        lambda: book.retrieved,
    ):
        with contextlib.suppress(BadInput):
            ask()


def test_sums_are_exact_and_keep_what_they_do_not_know() -> None:
    price = Price(Decimal("0.1"), "hour", date(2026, 1, 1), "a table", "single-source")
    total = sum((Money.of(price, 1) for _ in range(10)), Money())
    assert total == Money.usd(1)
    more = total + Money.of(Unknown("kms/key", "no source"), 3)
    assert str(more) == "at least $1.00, plus 1 unknown"
    assert more.least == Decimal(1)
    assert not more.exact
    assert str(more + more * 2) == "at least $3.00, plus 1 unknown"


def test_nothing_of_an_unknown_price_costs_nothing() -> None:
    assert Money.of(Unknown("kms/key", "no source"), 0) == Money()


def test_an_extrapolated_price_is_counted_and_remembered() -> None:
    price = Price(Decimal(2), "hour", date(2026, 1, 1), "us-east-1 x 1.1", "extrapolated")
    money = Money.of(price, 3, "sagemaker/hosting/ml.m5.large")
    assert money.most == 6
    assert money.uncertain == ("sagemaker/hosting/ml.m5.large",)
    assert not money.exact


def test_a_saving_that_was_not_measured_is_a_range() -> None:
    assert str(Money.usd(100).saving(Decimal("0.9"))) == "$10.00 to $100.00"


def test_less_than_a_cent_is_not_shown_as_nothing() -> None:
    assert [str(Money.usd(amount)) for amount in ("0", "0.004", "0.005", "1234.565")] == [
        "$0.00",
        "< $0.01",
        "$0.01",
        "$1,234.57",
    ]


def test_litellms_fields_become_tiers() -> None:
    assert tier_of("input_cost_per_token_above_100k_tokens_batches") == "input/above-100k/batch"
    assert tier_of("cache_creation_input_token_cost_above_1hr") == "cache-write-1h"
    assert tier_of("input_cost_per_video_per_second") == "input-video-second"
    assert tier_of("max_input_tokens") is None


def test_a_profile_costs_what_it_costs_in_its_own_regions_only() -> None:
    entry = {
        "litellm_provider": "bedrock",
        "mode": "chat",
        "input_cost_per_token": 2e-06,
        "output_cost_per_token": 0.0,
    }
    entries = dict.fromkeys(("eu.m", "us.m", "global.m", "m", "bedrock/eu-west-1/n", "bedrock/us-east-1/m"), entry)
    entries["m"] = entry | {"input_cost_per_token": 1.0}
    entries["other"] = entry | {"litellm_provider": "openai"}
    european = models_of(entries, "eu-west-1", effective="2026-11-20", source="s")
    american = models_of(entries, "us-east-1", effective="2026-11-20", source="s")
    assert sorted(european) == ["eu.m", "global.m", "n"]
    assert sorted(american) == ["global.m", "m", "us.m"]
    assert american["m"]["prices"] == {"input": "0.000002"}


def test_reading_prices_needs_neither_aws_nor_pydantic() -> None:
    code = "import sys, groundplan.prices; print([m for m in ('aws_cdk', 'boto3', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_ships_the_files() -> None:
    assert price_file(None, "us-east-1").is_file()
    assert price_file(Path("/nowhere"), "us-east-1").is_file()
