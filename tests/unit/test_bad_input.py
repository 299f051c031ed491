"""Everything a person may write wrong in a file: one line with file, field, value and what is allowed."""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.environment import read_environment
from groundplan.refusal import BadInput, shown
from groundplan.toml_file import LARGEST_FILE_BYTES
from groundplan.workload import read_workload, read_workloads

ENVIRONMENT = "environments/dev.toml"
CEILING = "monthly_cost_ceiling_usd"
PAYER = 'payer = "343434343434"'
WORKLOAD = "workloads/digit-reader/workload.toml"


def change(repository: Path, file: str, old: str, new: str) -> None:
    """Replace the first line that starts with `old`."""
    path = repository / file
    text, count = re.subn(rf"(?m)^{re.escape(old)}.*$", lambda _: new, path.read_text(), count=1)
    assert count == 1, f"{file} has no line that starts with {old}"
    path.write_text(text)


def said(error: pytest.ExceptionInfo[BadInput]) -> str:
    """What the person reads; every line of it names a file or field and says what is allowed."""
    text = str(error.value)
    assert "Traceback" not in text
    for line in text.splitlines():
        assert " is not allowed; " in line
        assert len(line) < 800
    return text


@pytest.mark.parametrize(
    ("old", "new", "telling"),
    [
        ("region", 'region = "us-east-9"', ["region", "us-east-9", "eu-central-1"]),
        ("region", 'region = "cn-north-1"', ["region", "cn-north-1"]),
        ("prefix", 'prefix = "Groundplan"', ["prefix", "Groundplan", "lower-case"]),
        ("prefix", 'prefix = "a-very-long-prefix"', ["prefix", "2 to 10"]),
        ("prefix", 'prefix = "../x"', ["prefix", "../x"]),
        ("prefix", "prefix = 7", ["prefix", "7", "string"]),
        ("prefix", "prefixx = 'groundplan'", ["prefixx", "unknown key", "did you mean prefix?"]),
        ("prefix", "", ["prefix", "nothing", "required"]),
        ("prefix", 'prefix = "grоundplan"', ["prefix", "U+043E CYRILLIC SMALL LETTER O"]),
        ("ai", 'ai = "77778888999"', ["accounts.ai", "77778888999", "12 digits"]),
        ("ai", "ai = 777788889999", ["accounts.ai", "777788889999", "string"]),
        ("ai", 'ai = "７77788889999"', ["accounts.ai", "FULLWIDTH DIGIT SEVEN", "12 digits"]),
        ("ai", 'ai = "7777 8888 9999"', ["accounts.ai", "12 digits"]),
        ("ai", 'ai = "888899990000"', ["accounts.data", "equals accounts.ai", "888899990000", "shared"]),
        ("ai", 'ai = "111122223333"', ["accounts.ai equals accounts.tooling"]),
        ("ai", f'ai = "777788889999"\n{PAYER}\nown_bills = true', ["accounts.own_bills", "payer's bill holds all"]),
        ("ai", 'ai = "777788889999"\npayer = "777788889999"', ["accounts.payer", "none of the environment's"]),
        ("architecture", 'architecture = "host"', ["architecture", "host", "arm64"]),
        ("architecture", 'architecture = "sparc"', ["architecture", "sparc", "arm64"]),
        ("retain_data", 'retain_data = "no"', ["retain_data", "no", "boolean"]),
        ("log_retention_days", "log_retention_days = 31", ["log_retention_days", "31", "30"]),
        ("log_retention_days", "log_retention_days = true", ["log_retention_days", "True"]),
        ("log_retention_days", "log_retention_days = 30.0", ["log_retention_days", "30.0"]),
        ("log_retention_days", f"log_retention_days = {'9' * 5000}", ["sane numbers"]),
        ("owner", 'owner = ""', ["owner", "1 to 128"]),
        ("name", 'name = "prod"', ["name", "prod", '"dev"']),
        ("owner", 'owner = "x"\nowner = "y"', ["Cannot overwrite", "each key may stand once"]),
        ("owner", "owner = ", ["Invalid value", "TOML"]),
        ("region", 'region = "us-gov-west-1"', ["region", "us-gov-west-1", "GovCloud, China", "not supported"]),
        ("cidr", 'cidr = "10.20.0.1/16"', ["network.cidr", "10.20.0.1/16", "no bit set"]),
        ("cidr", 'cidr = "8.8.0.0/16"', ["network.cidr", "8.8.0.0/16", "private"]),
        ("cidr", 'cidr = "10.20.0.0/24"', ["network.cidr", "/16 to /22"]),
        ("zones", "zones = 1", ["network.zones", "1", "2"]),
        ("interface_endpoints", 'interface_endpoints = ["sqs"]', ["network.interface_endpoints", "sqs", "ecr.api"]),
        ("interface_endpoints", 'interface_endpoints = ["s3"]', ["network.interface_endpoints", "by themselves"]),
        ("instance_types", 'instance_types = ["m5.large"]', ["limits.instance_types", "m5.large", "ml.m5.large"]),
        ("max_runtime_seconds", "max_runtime_seconds = 0", ["limits.max_runtime_seconds", "0", "60"]),
        ("[network]", "[networks]", ["networks", "did you mean network?"]),
        (CEILING, f"{CEILING} = nan", [CEILING, "nan", "finite"]),
        (CEILING, f"{CEILING} = -1", [CEILING, "-1", "not negative"]),
        (CEILING, f"{CEILING} = 0", [CEILING, "above zero"]),
        (CEILING, f'{CEILING} = "1000"', [CEILING, "'1000'", "a number"]),
        (CEILING, "require_known_prices = 1", ["require_known_prices", "boolean"]),
        ("[accounts]", "[prices]\naccept_old = 'no'\n[accounts]", ["prices.accept_old", "10 to 300"]),
        ("[accounts]", "[prices]\nfactor = 1\n[accounts]", ["prices", "factor", "unknown key"]),
        (
            "[accounts]",
            "[prices]\nregion_factor = { like = 'us-east-9', factor = inf, reason = '' }\n[accounts]",
            ["prices.region_factor.like", "us-east-9", "prices.region_factor.factor", "prices.region_factor.reason"],
        ),
        ("[accounts]", "[usage.'AWS::KMS::Key']\nkey_requests = -1\n[accounts]", ["key_requests", "not negative"]),
        ("[accounts]", "[usage]\nrequests = 1\n[accounts]", ["usage.requests", "a table"]),
        ("accounts = ", "accounts = { ai = 0 }", ["budgets.accounts.ai", "0", "above zero"]),
        ("accounts = ", "accounts = { ai = nan }", ["budgets.accounts.ai", "nan", "finite"]),
        ("accounts = ", 'accounts = { ai = "300" }', ["budgets.accounts.ai", "'300'", "a number"]),
        ("accounts = ", "accounts = { tooling = 5 }", ["budgets.accounts", "tooling", "application"]),
        ("accounts = ", "accounts = 300", ["budgets.accounts", "300"]),
        ("accounts = ", "tenants = { 'Archive!' = 5 }", ["budgets.tenants", "Archive!", "lower-case"]),
        ("accounts = ", "tenants = { archive = -5 }", ["budgets.tenants.archive", "-5", "not negative"]),
        ("accounts = ", 'email = ["finance"]', ["budgets.email", "finance", "an e-mail address"]),
        ("accounts = ", 'page = "http://costs.example.com"', ["budgets.page", "http://costs", "https://"]),
        ("accounts = ", 'page = "https://costs example"', ["budgets.page", "https://costs example"]),
        ("accounts = ", "actual_percent = [80, 50]", ["budgets.actual_percent", "from the lowest to the highest"]),
        ("accounts = ", "actual_percent = [100, 100]", ["budgets.actual_percent", "each once"]),
        ("accounts = ", "actual_percent = [0, 100]", ["budgets.actual_percent", "0", "1"]),
        ("accounts = ", "actual_percent = [1, 2, 3, 4, 5, 100]", ["budgets.actual_percent", "at most 5"]),
        ("accounts = ", "actual_percent = [50, 80]", ["budgets.stop_at_percent", "100", "one of actual_percent"]),
        ("accounts = ", "actual_percent = []", ["budgets.stop_at_percent", "100", 'stop = "off"']),
        ("accounts = ", "forecast_percent = [1001]", ["budgets.forecast_percent", "1001", "1000"]),
        ("accounts = ", "forecast_percent = [99.5]", ["budgets.forecast_percent", "99.5"]),
        ("accounts = ", "cool_down_minutes = -1", ["budgets.cool_down_minutes", "-1", "0"]),
        ("accounts = ", "deny_at_percent = 0", ["budgets.deny_at_percent", "0", "1"]),
        ("accounts = ", 'deny_roles = ["/engineers"]', ["budgets.deny_roles", "/engineers", "no slash first"]),
        ("accounts = ", 'never_stop = ["Digit_Reader"]', ["budgets.never_stop", "Digit_Reader", "lower-case"]),
        ("accounts = ", "ceilings = { ai = 5 }", ["budgets.ceilings", "unknown key"]),
        ('stop = "on"', 'stop = "yes"', ["budgets.stop", "yes", "dry-run"]),
        ('stop = "on"', "stop = true", ["budgets.stop", "True", "dry-run"]),
        ("production = false", 'production = "no"', ["budgets.production", "no", "boolean"]),
        ("production = false", "production = true", ["budgets.out_of_hours", "production has no closing hours"]),
        ("out_of_hours", 'out_of_hours = { begin = "7pm", end = "07:00" }', ["out_of_hours.begin", "7pm", "19:00"]),
        ("out_of_hours", 'out_of_hours = { begin = "24:00", end = "07:00" }', ["out_of_hours.begin", "24:00"]),
        (
            "out_of_hours",
            'out_of_hours = { begin = "07:00", end = "19:00" }',
            ["budgets.out_of_hours.end", "19:00", "earlier than begin, 07:00"],
        ),
        ("out_of_hours", 'out_of_hours = { begin = "19:00" }', ["budgets.out_of_hours.end", "a value is required"]),
    ],
)
def test_a_wrong_environment_is_refused_in_a_line(repository: Path, old: str, new: str, telling: list[str]) -> None:
    change(repository, ENVIRONMENT, old, new)
    with pytest.raises(BadInput) as error:
        read_environment(repository, "dev")
    text = said(error)
    assert text.startswith(ENVIRONMENT)
    for words in telling:
        assert words in text


KEY = "arn:aws:kms:{region}:{account}:key/11111111-2222-3333-4444-555555555555"
VPC = 'vpc_id = "vpc-0123456789abcdef0"'
SUBNETS = 'subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]'
GROUPS = 'security_group_ids = ["sg-0123456789abcdef0"]'


@pytest.mark.parametrize(
    ("added", "telling"),
    [
        (f"[existing_network]\n{VPC}\n{SUBNETS}\n{GROUPS}", ["network", "both", "one of [network]"]),
        (f"[existing_network]\n{VPC}\n{GROUPS}", ["existing_network.subnet_ids", "a value is required"]),
        (
            f'[existing_network]\n{VPC}\n{GROUPS}\nsubnet_ids = ["subnet-0123456789abcdef0"]',
            ["existing_network.subnet_ids", "at least 2"],
        ),
        (f"[existing_network]\n{SUBNETS}\n{GROUPS}\nvpc_id = 'main'", ["existing_network.vpc_id", "main", "vpc-"]),
        (
            f'[existing]\nai_key_arn = "{KEY.format(region="us-east-1", account="888899990000")}"',
            ["existing.ai_key_arn", "888899990000", "a key of account 777788889999 in us-east-1"],
        ),
        (
            f'[existing]\ndata_key_arn = "{KEY.format(region="eu-west-1", account="888899990000")}"',
            ["existing.data_key_arn", "eu-west-1", "a key of account 888899990000 in us-east-1"],
        ),
        ('[existing]\nai_key_arn = "alias/company"', ["existing.ai_key_arn", "alias/company", "not of an alias"]),
        ('[existing]\ndata_log_bucket = "Logs!"', ["existing.data_log_bucket", "Logs!", "the name of an S3 bucket"]),
        ('[conventions]\niam_path = "ai"', ["conventions.iam_path", "ai", "/ai/platform/"]),
        (f'[conventions]\niam_path = "/{"x" * 80}/"', ["conventions.iam_path", "at most 64"]),
        ('[conventions]\npermissions_boundary = "/b"', ["conventions.permissions_boundary", "/b", "no slash first"]),
        ('[conventions]\nforbidden_tags = ["owner"]', ["conventions.forbidden_tags", "owner", "forbidden"]),
        (
            '[conventions]\nforbidden_tags = ["Name"]\ntags = { Name = "x" }',
            ["conventions.tags.Name", "forbidden by conventions.forbidden_tags"],
        ),
        (
            '[conventions]\nmandatory_tags = ["data-owner"]',
            ["conventions.mandatory_tags", "data-owner", "no resource carries it"],
        ),
        ('[conventions]\ntags = { workload = "x" }', ["conventions.tags", "workload", "sets this tag itself"]),
        ('[conventions]\ntags = { "aws:x" = "x" }', ["conventions.tags", "aws:x", "not aws:"]),
    ],
)
def test_a_company_that_cannot_be_joined_is_refused_in_a_line(
    repository: Path, added: str, telling: list[str]
) -> None:
    path = repository / ENVIRONMENT
    path.write_text(f"{path.read_text()}\n{added}\n")
    with pytest.raises(BadInput) as error:
        read_environment(repository, "dev")
    text = said(error)
    assert text.startswith(ENVIRONMENT)
    for words in telling:
        assert words in text


def test_an_environment_without_a_network_is_refused(repository: Path) -> None:
    path = repository / ENVIRONMENT
    text = path.read_text()
    start, end = text.index("[network]"), text.index("interface_endpoints")
    end = text.index("\n", end)
    path.write_text(text[:start] + text[end:])
    with pytest.raises(BadInput, match=r"network: 'neither' is not allowed; allowed: one of \[network\]"):
        read_environment(repository, "dev")


@pytest.mark.parametrize(
    ("old", "new", "telling"),
    [
        ("name", 'name = "Digit_Reader"', ["name", "Digit_Reader", "lower-case"]),
        ("name", 'name = "digit--reader"', ["name", "digit--reader"]),
        ("name", f'name = "{"d" * 25}"', ["name", "3 to 24"]),
        ("name", 'name = "other-reader"', ["name", "other-reader", '"digit-reader", the name of the folder']),
        ("script", 'script = "../../app.py"', ["training.script", "../../app.py", "plain name"]),
        ("script", 'script = "absent.py"', ["training.script", "absent.py", "a file of the workload's folder"]),
        ("instance_type", 'instance_type = "m5.large"', ["training.instance_type", "m5.large", "ml.m5.large"]),
        ("max_runtime_seconds", "max_runtime_seconds = 5", ["training.max_runtime_seconds", "5", "60"]),
        ("max_runtime_seconds", "max_runtime_seconds = true", ["training.max_runtime_seconds", "True"]),
        (
            "max_wait_seconds",
            "max_wait_seconds = 60",
            ["training.max_wait_seconds", "60", "max_runtime_seconds, 1800"],
        ),
        ("key_metric", 'key_metric = "f1"', ["key_metric", "f1", "accuracy"]),
        ("accuracy ", "accuracy = '('", ["training.metrics.accuracy", "regular expression"]),
        ("accuracy ", "accuracy = 'a(b)(c)'", ["training.metrics.accuracy", "exactly one group"]),
        ("channels", "channels = []", ["data.channels", "at least 1"]),
        ("classification", 'classification = "secret"', ["data.classification", "secret", "confidential"]),
        ("seed", "seed = -1", ["training.seed", "-1"]),
        ("seed", "seeds = 1", ["training.seeds", "did you mean seed?"]),
        ("channels", 'channels = ["train", "train"]', ["data.channels", "train", "each name once"]),
        ("channels", 'channels = ["train", "code"]', ["data.channels", "code", "the channel of the script"]),
        ("channels", 'channels = "train"', ["data.channels", "a list"]),
        ("epochs", "epochs = nan", ["training.hyperparameters.epochs", "nan", "finite"]),
        ("epochs", "epochs = [1]", ["training.hyperparameters.epochs", "[1]", "a text"]),
        ("epochs", "epochs = 2026-11-20", ["training.hyperparameters.epochs", "a text"]),
        ("epochs", "seed = 5", ["training.hyperparameters.seed", "the seed is training.seed"]),
        ("epochs", '"" = 5', ["training.hyperparameters", "a letter first"]),
        ("epochs", f"epochs = '{'x' * 2501}'", ["training.hyperparameters.epochs", "at most 2500"]),
        ("epochs", f"epochs = {'9' * 4400}", ["TOML 1.0 with sane numbers"]),
        ("use_case", 'use_case = "two\\nlines of text"', ["use_case", "on one line"]),
        ("latency_p50_ms", "latency_p50_ms = 20000", ["drivers.latency_p50_ms", "20000", "latency_p99_ms, 15000"]),
        ("latency_p50_ms", "", ["drivers.latency_p50_ms", "stand together"]),
        ("latency_p99_ms", "latency_p99_ms = nan", ["drivers.latency_p99_ms", "nan", "finite"]),
        ("latency_p99_ms", "latency_p99_ms = inf", ["drivers.latency_p99_ms", "inf", "finite"]),
        ("latency_p99_ms", "latency_p99_ms = 1e9", ["drivers.latency_p99_ms", "a day"]),
        ("latency_p99_ms", "latency_p98_ms = 1", ["drivers.latency_p98_ms", "did you mean latency_p99_ms?"]),
        ("average_req", "average_requests_per_second = 3", ["drivers.average_requests_per_second", "3", "peak_req"]),
        (
            "average_req",
            "average_requests_per_second = 1",
            ["drivers.average_requests_per_second", "0.595", "office"],
        ),
        ("average_req", "average_requests_per_second = -1", ["drivers.average_requests_per_second", "not negative"]),
        ("average_req", "average_requests_per_second = 0", ["drivers.average_requests_per_second", "above zero"]),
        ("peak_req", "peak_requests_per_second = 1e12", ["drivers.peak_requests_per_second", "at most 1000000"]),
        ("peak_req", 'peak_requests_per_second = "2"', ["drivers.peak_requests_per_second", "a number"]),
        ("peak_req", "peak_requests_per_second = true", ["drivers.peak_requests_per_second", "a number"]),
        ("payload_kib", "payload_kib = 1e300", ["drivers.payload_kib", "at most"]),
        ("traffic", 'traffic = "sometimes"', ["drivers.traffic", "sometimes", "office-hours"]),
        ("availability", "availability_percent = 101", ["drivers.availability_percent", "101", "at most 99.999"]),
        ("monthly_cost", "monthly_cost_ceiling_usd = 0", ["drivers.monthly_cost_ceiling_usd", "above zero"]),
        ("floor", "floor = 97", ["drivers.quality.floor", "97", "at most 1"]),
        ("[model.custom]", "[model.costum]", ["model.costum", "did you mean custom?"]),
        ("cpu_ms_per_request", "", ["model.custom.measured", "how fast it is"]),
        (
            "cpu_ms_per_request",
            "cpu_ms_per_requests = 1",
            ["model.custom.cpu_ms_per_requests", "did you mean cpu_ms_per_request?"],
        ),
        ("dataset", "", ["data.dataset", "where there is [training]"]),
        ("readers", "readers = []", ["data.readers", "at least 1"]),
        ("[metering]", "[plan]\nforce = 'cheap'\nreason = 'because it is'\n[metering]", ["plan.force", "serverless"]),
        ("[metering]", "[plan]\nforce = 'serverless'\n[metering]", ["plan.reason", "required"]),
        ("seed", 'seed = 1\nimage_digest = "latest"', ["training.image_digest", "sha256"]),
        ("instance_type", 'instance_type = "ml.inf2.xlarge"', ["training.instance_type", "no Inferentia", "ml.trn1"]),
        ("seed", "seed = 1\nrun_ceiling_usd = 0", ["training.run_ceiling_usd", "above zero"]),
        (
            "seed",
            'seed = 1\nearly_stopping = { metric = "f1", patience = 3, mode = "max" }',
            ["training.early_stopping.metric", "f1", "accuracy"],
        ),
        (
            "seed",
            'seed = 1\nearly_stopping = { metric = "loss", patience = 0, mode = "low" }',
            ["training.early_stopping.patience", "training.early_stopping.mode", "low"],
        ),
    ],
)
def test_a_wrong_workload_is_refused_in_a_line(repository: Path, old: str, new: str, telling: list[str]) -> None:
    change(repository, WORKLOAD, old, new)
    with pytest.raises(BadInput) as error:
        read_workload(repository, "digit-reader")
    text = said(error)
    assert text.startswith(WORKLOAD)
    for words in telling:
        assert words in text


@pytest.mark.parametrize(
    ("content", "telling"),
    [
        (b"", "an empty file"),
        (b" \n\t\n", "an empty file"),
        (b"#" * 10_000_000, f"at most {LARGEST_FILE_BYTES} bytes"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a = " + b"[" * 100_000, "TOML 1.0"),
        (b"\0", "TOML 1.0"),
    ],
)
def test_a_file_that_is_no_toml_is_refused_in_a_line(repository: Path, content: bytes, telling: str) -> None:
    (repository / ENVIRONMENT).write_bytes(content)
    with pytest.raises(BadInput) as error:
        read_environment(repository, "dev")
    assert telling in said(error)


def test_a_byte_order_mark_is_no_fault(repository: Path) -> None:
    path = repository / ENVIRONMENT
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_environment(repository, "dev").name == "dev"


def test_a_file_that_cannot_be_read_is_named(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(BadInput) as error:
        read_environment(repository, "dev")
    assert "Permission denied" in said(error)


@pytest.mark.parametrize("name", ["", "../dev", "dev.toml", "DEV", "dеv", "/etc/passwd", "dev\n"])
def test_only_an_environment_that_exists_is_read(repository: Path, name: str) -> None:
    with pytest.raises(BadInput) as error:
        read_environment(repository, name)
    assert "allowed: dev, local, prod" in said(error)


@pytest.mark.parametrize("name", ["", "..", "../digit-reader", "digit-reader/", "digit–reader"])
def test_only_a_workload_that_exists_is_read(repository: Path, name: str) -> None:
    with pytest.raises(BadInput) as error:
        read_workload(repository, name)
    assert "allowed: digit-reader" in said(error)


def test_a_workload_folder_without_its_file_is_named(repository: Path) -> None:
    (repository / "workloads/hollow").mkdir()
    with pytest.raises(BadInput) as error:
        read_workloads(repository)
    assert "workloads/hollow/workload.toml" in said(error)


def test_all_that_is_wrong_is_said_at_once(repository: Path) -> None:
    change(repository, ENVIRONMENT, "region", 'region = "mars-1"')
    change(repository, ENVIRONMENT, "owner", "ovner = 'x'")
    with pytest.raises(BadInput) as error:
        read_environment(repository, "dev")
    assert {finding.field for finding in error.value.findings} == {"region", "owner", "ovner"}


def test_ai_and_data_may_share_an_account_only_by_saying_so(repository: Path) -> None:
    change(repository, ENVIRONMENT, "data", 'data = "777788889999"')
    with pytest.raises(BadInput):
        read_environment(repository, "dev")
    change(repository, ENVIRONMENT, "owner", 'owner = "x"\nshared = ["ai", "data"]')
    assert read_environment(repository, "dev").shared == ("ai", "data")


def test_application_never_shares(repository: Path) -> None:
    change(repository, ENVIRONMENT, "application", 'application = "777788889999"')
    change(repository, ENVIRONMENT, "owner", 'owner = "x"\nshared = ["ai", "data"]')
    with pytest.raises(BadInput) as error:
        read_environment(repository, "dev")
    assert "accounts.ai equals accounts.application" in said(error)


def test_placeholders_are_found_in_aws_and_meant_in_local(repository: Path) -> None:
    for name, count in (("local", 0), ("dev", 4), ("prod", 4)):
        assert len(read_environment(repository, name).placeholders(name)) == count
    change(repository, ENVIRONMENT, "ai", 'ai = "395839583958"')
    assert len(read_environment(repository, "dev").placeholders("dev")) == 3


@settings(max_examples=200)
@given(st.binary(max_size=400))
def test_whatever_bytes_a_file_holds_the_answer_is_bad_input(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "environments").mkdir()
        (Path(folder) / ENVIRONMENT).write_bytes(content)
        with pytest.raises(BadInput):
            read_environment(Path(folder), "dev")


@given(st.text())
def test_a_value_is_always_shown_on_one_short_ascii_line(value: str) -> None:
    text = shown(value)
    assert text.isascii()
    assert "\n" not in text
    assert len(text) < 1200
