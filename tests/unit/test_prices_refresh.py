"""Price files are renewed from AWS's list as a whole or not at all, over connections that may be cut."""

import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from groundplan.prices import Price, read_prices
from groundplan.prices.price_list import USAGE_TYPES, read_price_list, renewed
from groundplan.refusal import BadInput, Refused
from groundplan_operate.command_line import groundplan
from groundplan_operate.download import download

ROOT = Path(__file__).parents[2]
LISTS = ROOT / "tests/price_lists"
LATER = datetime.combine(date(2026, 12, 1), time.min, UTC)


@dataclass
class PriceServer:
    """Serves price lists on loopback; cuts each of the next connections after so many bytes, when told to."""

    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    cuts: list[int] = field(default_factory=list[int])
    ranges: list[str | None] = field(default_factory=list[str | None])
    etag: str = '"first"'
    address: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One answer, by the rules of RFC 9110 for ranges."""
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        service = request.path.split("/")[4]
        if service not in self.files:
            request.send_error(404)
            return
        body = self.files[service]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start and request.headers.get("If-Range") != self.etag:
            start = 0
        if start >= len(body):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        request.send_header("ETag", self.etag)
        request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        end = self.cuts.pop(0) if self.cuts else len(body)
        request.wfile.write(body[start : start + end])


@pytest.fixture
def server() -> Iterator[PriceServer]:
    """A server of lists that all are empty but SageMaker's and Lambda's."""
    empty = {"products": {}, "terms": {"OnDemand": {}}}
    lists = {service: json.dumps({"offerCode": service, **empty}).encode() for service in USAGE_TYPES}
    lists |= {file.stem: file.read_bytes() for file in LISTS.glob("*.json")}
    found = PriceServer(files=lists)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        found.address = f"http://127.0.0.1:{httpd.server_address[1]}"
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield found
        httpd.shutdown()
        thread.join()


@pytest.fixture
def prices(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of price files of a repository of its own, on a day of December."""
    folder = repository / "groundplan/prices"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "groundplan/prices/us-east-1.json", folder)
    (repository / "cdk.json").write_text("{}")
    monkeypatch.chdir(repository)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(LATER.timestamp())))
    return folder


def run(*arguments: str) -> None:
    """The command, with its own exceptions."""
    groundplan(arguments, standalone_mode=False)


def amount(prices: Path, key: str, region: str = "us-east-1") -> Decimal:
    """A price of the repository's file."""
    found = read_prices(prices.parents[1], region).find(key)
    assert isinstance(found, Price), found
    return found.amount


def test_a_price_list_gives_prices_by_component_and_the_sizes_of_instances() -> None:
    found = read_price_list(json.loads((LISTS / "AmazonSageMaker.json").read_text()))
    assert {key: row["amount"] for key, row in found.prices.items()} == {
        "sagemaker/hosting/ml.m5.xlarge": "0.23",
        "sagemaker/training/ml.m5.xlarge": "0.24",
        "sagemaker/hosting/ml.c5.large": "0.2",
        "sagemaker/hosting/ml.new9.large": "1.5",
        "sagemaker/serverless/1gb": "0.00002",
    }
    row = found.prices["sagemaker/hosting/ml.m5.xlarge"]
    assert (row["confidence"], row["effective"], row["unit"]) == ("list", "2026-11-01", "hour")
    assert found.instance_types["ml.new9.large"] == {"vcpu": 2, "memory_gib": "1024"}


def test_of_several_tiers_the_first_that_is_charged_counts() -> None:
    found = read_price_list(json.loads((LISTS / "AWSLambda.json").read_text()))
    assert found.prices["lambda/duration/arm"]["amount"] == "0.0000133334"
    assert found.prices["lambda/request"]["amount"] == "0.0000002"


@pytest.mark.parametrize("region", ["", "EU-", "EUC1-", "USE2-"])
def test_a_usage_type_is_known_behind_the_short_name_of_any_region(region: str) -> None:
    document = json.loads((LISTS / "AWSLambda.json").read_text())
    document["products"]["GGGG"]["attributes"]["usagetype"] = f"{region}Request"
    assert "lambda/request" in read_price_list(document).prices
    document["products"]["GGGG"]["attributes"]["usagetype"] = f"{region}Lambda-Edge-Request"
    assert "lambda/request" not in read_price_list(document).prices


def test_refreshing_takes_the_lists_prices_and_keeps_the_others_with_their_dates(
    prices: Path, server: PriceServer
) -> None:
    before = read_prices(prices.parents[1], "us-east-1").find("nat_gateway/hour")
    run("prices", "refresh", "--from", server.address)
    book = read_prices(prices.parents[1], "us-east-1")
    assert amount(prices, "sagemaker/hosting/ml.c5.large") == Decimal("0.2")
    assert amount(prices, "sagemaker/processing/ml.c5.large") == Decimal("0.2")
    assert amount(prices, "sagemaker/training/ml.m5.xlarge") == Decimal("0.24")
    assert amount(prices, "sagemaker/hosting/ml.m5.xlarge") == Decimal("0.23")
    assert book.find("nat_gateway/hour") == before
    assert book.retrieved == date(2026, 12, 1)
    [disagreement] = [one for one in book.disagreements() if one[0] == "sagemaker/instance/ml.c5.large"]
    assert list(disagreement[2].values()) == ["0.102"]
    assert book.instance("ml.new9.large")
    text = (prices / "us-east-1.json").read_text()
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"


def test_refreshing_twice_is_the_same_as_once(prices: Path, server: PriceServer) -> None:
    run("prices", "refresh", "--from", server.address)
    once = (prices / "us-east-1.json").read_text()
    run("prices", "refresh", "--from", server.address)
    again = json.loads((prices / "us-east-1.json").read_text())
    # The first time the list contradicted another source; the second it contradicts only itself, which is nothing.
    assert {key: row["amount"] for key, row in again["prices"].items()} == {
        key: row["amount"] for key, row in json.loads(once)["prices"].items()
    }


def test_a_region_without_a_file_gets_one(
    prices: Path, server: PriceServer, capsys: pytest.CaptureFixture[str]
) -> None:
    run("prices", "refresh", "--region", "me-south-1", "--from", server.address, "--json")
    assert amount(prices, "sagemaker/hosting/ml.m5.xlarge", "me-south-1") == Decimal("0.23")
    [told] = json.loads(capsys.readouterr().out)["price_files"]
    assert told["region"] == "me-south-1"
    assert "sagemaker/instance/ml.m5.xlarge" in told["changed_prices"]
    assert "lambda/request" in told["changed_prices"]


def test_a_cut_connection_goes_on_where_it_was(prices: Path, server: PriceServer) -> None:
    server.cuts = [1000, 700]
    run("prices", "refresh", "--from", server.address)
    assert server.ranges[:3] == [None, "bytes=1000-", "bytes=1700-"]
    assert amount(prices, "sagemaker/hosting/ml.c5.large") == Decimal("0.2")


def test_a_connection_that_brings_nothing_ends_the_command_and_the_next_goes_on(
    prices: Path, server: PriceServer
) -> None:
    before = (prices / "us-east-1.json").read_text()
    server.cuts = [1000, 0]
    with pytest.raises(Refused, match="1000 bytes are kept, run it again"):
        run("prices", "refresh", "--from", server.address)
    assert (prices / "us-east-1.json").read_text() == before
    server.ranges.clear()
    run("prices", "refresh", "--from", server.address)
    assert server.ranges[0] == "bytes=1000-"
    assert amount(prices, "sagemaker/hosting/ml.c5.large") == Decimal("0.2")


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(tmp_path: Path, server: PriceServer) -> None:
    url = f"{server.address}/offers/v1.0/aws/AmazonSageMaker/index.json"
    server.cuts = [1000, 0]
    with pytest.raises(Refused):
        download(url, tmp_path / "list.json")
    server.files["AmazonSageMaker"], server.etag = b'{"another": "list"}', '"second"'
    download(url, tmp_path / "list.json")
    assert (tmp_path / "list.json").read_bytes() == b'{"another": "list"}'
    assert [file.name for file in tmp_path.iterdir()] == ["list.json"]


def test_a_part_that_is_longer_than_the_file_is_fetched_from_the_start(tmp_path: Path, server: PriceServer) -> None:
    (tmp_path / "list.json.part").write_bytes(b"x" * 100_000)
    (tmp_path / "list.json.part.etag").write_text(server.etag)
    download(f"{server.address}/offers/v1.0/aws/AmazonSageMaker/index.json", tmp_path / "list.json")
    assert (tmp_path / "list.json").read_bytes() == server.files["AmazonSageMaker"]


def test_progress_is_told_as_bytes_come(tmp_path: Path, server: PriceServer) -> None:
    told: list[tuple[int, int | None]] = []
    url = f"{server.address}/offers/v1.0/aws/AmazonSageMaker/index.json"
    download(url, tmp_path / "list.json", progress=lambda have, of: told.append((have, of)))
    length = len(server.files["AmazonSageMaker"])
    assert (told[0], told[-1]) == ((0, length), (length, length))


WRONG = {
    "half written": b'{"offerCode": "AmazonSageMaker", "prod',
    "a list": b"[]",
    "without terms": b'{"offerCode": "AmazonSageMaker", "products": {}}',
    "of another service": b'{"offerCode": "AmazonEC2", "products": {}, "terms": {"OnDemand": {}}}',
    "deeply nested": b"[" * 100_000,
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_list_that_cannot_be_used_changes_nothing(prices: Path, server: PriceServer, body: bytes) -> None:
    before = (prices / "us-east-1.json").read_text()
    server.files["AWSLambda"] = body
    with pytest.raises(
        Refused, match=r"AWSLambda\.json is no price list that can be used.*nothing was changed"
    ) as caught:
        run("prices", "refresh", "--from", server.address)
    assert len(str(caught.value).splitlines()) == 1
    assert (prices / "us-east-1.json").read_text() == before
    assert [file.name for file in prices.iterdir()] == ["us-east-1.json"]


def test_lists_that_hold_no_price_change_nothing(prices: Path, server: PriceServer) -> None:
    before = (prices / "us-east-1.json").read_text()
    server.files |= {name: server.files["awskms"].replace(b"awskms", name.encode()) for name in server.files}
    with pytest.raises(Refused, match="holds no price of us-east-1"):
        run("prices", "refresh", "--from", server.address)
    assert (prices / "us-east-1.json").read_text() == before


MALFORMED: dict[str, Mapping[str, Any]] = {
    "no attributes": {"A": {"sku": "A"}},
    "a product that is text": {"A": "ml.m5.xlarge"},
    "no price": {
        "A": {"productFamily": "ML Instance", "attributes": {"instanceName": "ml.x", "component": "Hosting"}}
    },
}


@pytest.mark.parametrize("products", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_product_is_passed_over(products: Mapping[str, Any]) -> None:
    terms = {"OnDemand": {"A": {"A.B": {"priceDimensions": {"r": {"pricePerUnit": {"USD": "NaN"}}}}}}}
    offer = {"offerCode": "AmazonSageMaker", "products": products, "terms": terms}
    assert read_price_list(offer).prices == {}


def test_a_service_that_the_mirror_lacks_is_refused_by_address(prices: Path, server: PriceServer) -> None:
    del server.files["AmazonSageMaker"]
    with pytest.raises(Refused, match=r"AmazonSageMaker/current/us-east-1/index\.json: 404"):
        run("prices", "refresh", "--from", server.address)
    assert prices.is_dir()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--region", "eu-nowhere-1"], "--region"),
        (["--from", "ftp://somewhere"], "--from"),
        (["--from", "nofile"], "--from"),
    ],
)
def test_wrong_usage_is_bad_input(prices: Path, arguments: list[str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        run("prices", "refresh", *arguments)
    assert prices.is_dir()


def test_a_file_at_hand_serves_as_well(prices: Path) -> None:
    run("prices", "refresh", "--from", str(LISTS / "AWSLambda.json"))
    assert read_prices(prices.parents[1], "us-east-1").retrieved == date(2026, 12, 1)


def test_token_prices_come_from_litellms_file(prices: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.json"
    entry = {"litellm_provider": "bedrock", "mode": "chat", "input_cost_per_token": 7e-06}
    tokens.write_text(json.dumps({"sample_spec": "text", "us.new-model": entry}))
    run("prices", "refresh", "--from", str(LISTS / "AWSLambda.json"), "--tokens", str(tokens))
    assert amount(prices, "bedrock/us.new-model/input") == Decimal("0.000007")


def test_a_price_file_that_cannot_be_read_is_made_anew(prices: Path, server: PriceServer) -> None:
    (prices / "us-east-1.json").write_text('{"region": "us-east-1", "pri')
    run("prices", "refresh", "--from", server.address)
    assert amount(prices, "sagemaker/hosting/ml.m5.xlarge") == Decimal("0.23")


def test_what_the_list_does_not_renew_grows_stale_and_is_certain_no_more() -> None:
    row = {
        "amount": "1",
        "confidence": "single-source",
        "effective": "2026-01-01",
        "source": "a table",
        "unit": "month",
    }
    after = renewed({"prices": {"kms/key": row}, "models": {}}, [], date(2026, 7, 1))
    assert after["prices"]["kms/key"]["confidence"] == "stale"
    assert renewed({"prices": {"kms/key": row}}, [], date(2026, 6, 1))["prices"]["kms/key"] == row


def test_checking_shows_age_gaps_and_disagreements(prices: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("prices", "check", "--json")
    [found] = json.loads(capsys.readouterr().out)["price_files"]
    assert (found["region"], found["state"], found["age_days"]) == ("us-east-1", "fresh", 11)
    assert "sagemaker/instance/ml.g7e.2xlarge" in {gap["key"] for gap in found["gaps"]}
    assert "sagemaker/instance/ml.p5.48xlarge" in {one["key"] for one in found["disagreements"]}
    run("prices", "check")
    assert "us-east-1: fresh, 11 days old" in capsys.readouterr().out
    assert prices.is_dir()


@pytest.mark.parametrize(("days", "state"), [(90, "fresh"), (91, "old"), (180, "old"), (181, "refused")])
def test_a_snapshot_is_doubted_after_90_days_and_refused_after_180(
    prices: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, days: int, state: str
) -> None:
    retrieved = read_prices(prices.parents[1], "us-east-1").retrieved
    assert retrieved
    then = datetime.combine(retrieved, time.min, UTC).timestamp() + days * 86400
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(then)))
    if state == "refused":
        with pytest.raises(Refused, match="too old to be used"):
            run("prices", "check", "--json")
    else:
        run("prices", "check", "--json")
    [found] = json.loads(capsys.readouterr().out)["price_files"]
    assert found["state"] == state
    assert bool(found["warning"]) == (state != "fresh")
