"""The release pin: what it must hold, what is refused of a hand's edit, and who wins of two."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from groundplan.environment import Environment, read_environment
from groundplan.names import Names
from groundplan.refusal import BadInput, Refused
from groundplan.release import FORMAT, Release, is_release_file, read_release, release_file, to_toml, write_release

WORKLOAD = "digit-reader"


@pytest.fixture
def local(repository: Path) -> Environment:
    return read_environment(repository, "local")


def pin(environment: Environment, **changes: Any) -> dict[str, Any]:
    names = Names(environment)
    folder = f"s3://{names.artefacts_bucket()}/workloads/{WORKLOAD}"
    group = names.model_package_group(WORKLOAD)
    values: dict[str, Any] = {
        "format": FORMAT,
        "version": "1.1.0",
        "model_package_arn": f"arn:aws:sagemaker:{environment.region}:{environment.accounts.ai}"
        f":model-package/{group}/2",
        "model_data_url": f"{folder}/output/job/output/model.tar.gz",
        "model_data_sha256": "a" * 64,
        "environment_digest": "b" * 64,
        "code_digest": "c" * 64,
        "fingerprint": "d" * 64,
        "record_url": f"{folder}/output/job/record.json",
        "record_sha256": "e" * 64,
        "approved_by": "the approver's role",
        "approved_at": "2026-11-21T09:00:00Z",
        "simulated": True,
        "previous": "1.0.0",
    }
    return values | changes


def release(environment: Environment, **changes: Any) -> Release:
    return Release.model_validate(pin(environment, **changes))


def candidate(environment: Environment, **changes: Any) -> dict[str, Any]:
    """A version in the shadow of the one that is pinned."""
    names = ("model_package_arn", "model_data_url", "model_data_sha256")
    values = {name: value for name, value in pin(environment).items() if name in names}
    return values | {"version": "1.2.0"} | changes


def write(repository: Path, text: str) -> None:
    (repository / release_file(WORKLOAD, "local")).write_text(text)


def test_what_was_written_is_read_back(repository: Path, local: Environment) -> None:
    said = release(local, withdrawn={"0.10.0": 'it read "8" as 3\\5', "0.9.0": "slow since the change"})
    path = write_release(repository, WORKLOAD, local, said, None)
    assert read_release(repository, WORKLOAD, local) == said
    assert path.read_text().index('"0.9.0"') < path.read_text().index('"0.10.0"')
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".")] == []


def test_a_candidate_is_read_back_with_what_was_rolled_back(repository: Path, local: Environment) -> None:
    said = release(local, candidate=candidate(local), withdrawn={"0.9.0": "slow since the change"})
    write_release(repository, WORKLOAD, local, said, None)
    assert read_release(repository, WORKLOAD, local) == said


@pytest.mark.parametrize("version", ["1.1.0", "0.9.0"])
def test_what_serves_or_was_rolled_back_is_no_candidate(local: Environment, version: str) -> None:
    with pytest.raises(ValueError, match="neither serves nor was rolled back"):
        release(local, candidate=candidate(local, version=version), withdrawn={"0.9.0": "slow since the change"})


def test_a_candidate_of_another_bucket_or_account_is_refused(repository: Path, local: Environment) -> None:
    for field, value in (
        ("model_data_url", "s3://another-bucket/workloads/digit-reader/model.tar.gz"),
        ("model_package_arn", "arn:aws:sagemaker:us-east-1:999999999999:model-package/digits/1"),
    ):
        said = release(local, candidate=candidate(local, **{field: value}))
        with pytest.raises(BadInput, match=f"candidate.{field}"):
            write_release(repository, WORKLOAD, local, said, None)


def test_where_nothing_is_released_there_is_no_pin(repository: Path, local: Environment) -> None:
    assert read_release(repository, WORKLOAD, local) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "groundplan.release/0"}, "groundplan.release/1"),
        ({"version": "1.1"}, "semver"),
        ({"version": "01.1.0"}, "semver"),
        ({"version": "1.1.0\n"}, "semver"),
        ({"model_data_sha256": "A" * 64}, "64 lower-case hex digits"),
        ({"model_data_sha256": "a" * 63}, "64 lower-case hex digits"),
        ({"image_digest": "a" * 64}, "sha256: and 64"),
        ({"model_package_arn": "arn:aws:sagemaker:us-east-1:000000000000:model-package/x"}, "model package"),
        ({"approved_at": "2026-11-21T09:00:00"}, "UTC"),
        ({"approved_at": "2026-13-41T09:00:00Z"}, "UTC"),
        ({"approved_by": ""}, "who"),
        ({"simulated": "yes"}, "boolean"),
        ({"previous": "1.1.0"}, "another version"),
        ({"withdrawn": {"1.1.0": "it read 8 as 3 too often"}}, "below [withdrawn]"),
        ({"withdrawn": {"1.0.0": "it read 8 as 3 too often"}}, "below [withdrawn]"),
        ({"withdrawn": {"0.1.0": "short"}}, "why"),
        ({"model_data_sha265": "a" * 64}, "did you mean model_data_sha256"),
    ],
)
def test_a_pin_that_was_spoilt_by_hand_is_refused(
    repository: Path, local: Environment, change: dict[str, Any], said: str
) -> None:
    values = pin(local, **change)
    withdrawn = values.pop("withdrawn", {})
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    lines += ["[withdrawn]", *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in withdrawn.items())]
    write(repository, "\n".join(lines))
    with pytest.raises(BadInput) as refused:
        read_release(repository, WORKLOAD, local)
    assert said in str(refused.value)
    assert f"workloads/{WORKLOAD}/release.local.toml" in str(refused.value)


@pytest.mark.parametrize("missing", [field for field, of in Release.model_fields.items() if of.is_required()])
def test_nothing_of_a_pin_may_be_missing(repository: Path, local: Environment, missing: str) -> None:
    text = to_toml(release(local))
    write(repository, "\n".join(line for line in text.splitlines() if not line.startswith(f"{missing} =")))
    with pytest.raises(BadInput, match=f"{missing}: 'nothing'|{missing}: nothing"):
        read_release(repository, WORKLOAD, local)


def test_an_older_schema_is_refused_by_name(repository: Path, local: Environment) -> None:
    write(repository, to_toml(release(local)).replace(FORMAT, "groundplan.release/0"))
    with pytest.raises(BadInput, match=r"format: 'groundplan\.release/0'"):
        read_release(repository, WORKLOAD, local)


def test_a_pin_of_another_account_group_or_bucket_is_refused(repository: Path, local: Environment) -> None:
    foreign = {
        "model_package_arn": "arn:aws:sagemaker:us-east-1:999988887777:model-package/groundplan-local-digit-reader/2",
        "model_data_url": "s3://somewhere-else/workloads/digit-reader/output/job/output/model.tar.gz",
        "record_url": f"s3://{Names(local).artefacts_bucket()}/workloads/fraud-scorer/output/job/record.json",
    }
    for field, value in foreign.items():
        write(repository, to_toml(release(local, **{field: value})))
        with pytest.raises(BadInput, match=f"{field}: .* is not allowed; allowed in local"):
            read_release(repository, WORKLOAD, local)


def test_nobody_simulates_in_aws_and_an_image_runs_there(repository: Path) -> None:
    dev = read_environment(repository, "dev")
    with pytest.raises(BadInput) as refused:
        write_release(repository, WORKLOAD, dev, release(dev), None)
    assert "simulated" in str(refused.value)
    assert "image_digest" in str(refused.value)
    earnest = release(dev, simulated=False, image_digest="sha256:" + "f" * 64)
    write_release(repository, WORKLOAD, dev, earnest, None)
    assert read_release(repository, WORKLOAD, dev) == earnest


def test_of_many_promotions_at_once_one_wins(repository: Path, local: Environment) -> None:
    def promote(version: int) -> str:
        said = release(local, version=f"2.{version}.0")
        with suppress(Refused):
            write_release(repository, WORKLOAD, local, said, None)
            return said.version
        return ""

    with ThreadPoolExecutor(8) as pool:
        won = [version for version in pool.map(promote, range(24)) if version]
    found = read_release(repository, WORKLOAD, local)
    assert found is not None
    assert won == [found.version]


def test_what_is_pinned_is_no_part_of_what_makes_a_model() -> None:
    assert is_release_file("release.local.toml")
    assert not is_release_file("workload.toml")
    assert not is_release_file("release.toml")
