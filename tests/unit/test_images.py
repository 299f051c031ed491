"""What a golden image is made from, and what refuses one. No container engine: the Dockerfile is read and linted."""

import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.environment import read_environment
from groundplan.image import (
    LOCK,
    SEVERITIES,
    BuildContext,
    Image,
    Images,
    Scan,
    Source,
    built_from,
    read_context,
    refuse_image,
)
from groundplan.refusal import BadInput, Refused
from groundplan.workload import read_workloads

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "images/training/Dockerfile"
WORKLOAD_LOCK = f"workloads/digit-reader/{LOCK}"
SOURCE = Source(base=f"python@sha256:{'b' * 64}", package_domain="company", package_repository="python")
IMAGE = Image("digit-reader", "groundplan-dev/digit-reader", f"sha256:{'a' * 64}", "c" * 64, Scan("COMPLETE", {}))


def hadolint(dockerfile: str) -> subprocess.CompletedProcess[str]:
    """The linter of `make check`."""
    command = [str(Path(sys.executable).with_name("hadolint")), "-"]
    return subprocess.run(command, input=dockerfile, capture_output=True, text=True)


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Instruction and its arguments, comments left out and continued lines joined."""
    lines = [line for line in dockerfile.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name.upper(), rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def complaints(dockerfile: str) -> list[str]:
    """What a linter does not know of this platform's images."""
    said: list[str] = []
    told = instructions(dockerfile)
    stages: set[str] = set()
    for name, rest in told:
        if name == "FROM":
            image, _, stage = rest.partition(" AS ")
            if image != "${BASE_IMAGE}" and "@sha256:" not in image and image not in stages:
                said.append(f"unpinned base: {image}")
            stages.add(stage)
        if name in ("ARG", "ENV") and re.search(r"(?i)token|secret|password|credential|index|key", rest):
            said.append(f"a secret in {name}")
        if name == "RUN" and "pip" in rest and "--require-hashes" not in rest:
            said.append("packages without hashes")
        if name in ("COPY", "ADD") and rest.split()[0] not in ("requirements.lock", "--from=packages"):
            said.append(f"copies {rest}")
    final = told[max(index for index, (name, _) in enumerate(told) if name == "FROM") :]
    users = [rest for name, rest in final if name == "USER"]
    if not users or users[-1].split(":")[0] in ("root", "0"):
        said.append("runs as root")
    if sum(name == "FROM" for name, _ in told) < 2:
        said.append("one stage only")
    return said


def test_the_dockerfile_keeps_what_an_image_promises() -> None:
    text = DOCKERFILE.read_text()
    assert complaints(text) == []
    done = hadolint(text)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("FROM ${BASE_IMAGE} AS packages", "FROM python:3.14 AS packages", "unpinned base: python:3.14"),
        ("FROM ${BASE_IMAGE}\n", "FROM python:latest\n", "unpinned base: python:latest"),
        ("USER 1000:1000", "USER 0:0", "runs as root"),
        ("USER 1000:1000", "USER root", "runs as root"),
        ("USER 1000:1000\n", "", "runs as root"),
        ("--require-hashes", "", "packages without hashes"),
        ("PYTHONUNBUFFERED=1", "PIP_INDEX_URL=x", "a secret in ENV"),
        ("ARG BASE_IMAGE\n", "ARG BASE_IMAGE\nARG TOKEN\n", "a secret in ARG"),
        ("COPY requirements.lock", "COPY .", "copies . /tmp/requirements.lock"),
    ],
)
def test_a_dockerfile_that_breaks_a_promise_is_caught(old: str, new: str, complaint: str) -> None:
    text = DOCKERFILE.read_text()
    assert old in text
    assert complaint in complaints(text.replace(old, new))


@pytest.mark.parametrize(
    ("dockerfile", "rule"),
    [
        ("FROM python:latest\nUSER 1000\n", "DL3007"),
        ("FROM python\nUSER 1000\n", "DL3006"),
        ("FROM python:3.14\nUSER root\n", "DL3002"),
        ("FROM python:3.14\nRUN pip install --no-cache-dir numpy\nUSER 1000\n", "DL3013"),
        ("FROM python:3.14\nRUN sudo rm -r /tmp\nUSER 1000\n", "DL3004"),
        ("FROM python:3.14\nRUN cd /tmp && echo $a\nUSER 1000\n", "DL3003"),
    ],
)
def test_the_linter_catches_a_careless_dockerfile(dockerfile: str, rule: str) -> None:
    done = hadolint(dockerfile)
    assert done.returncode != 0
    assert rule in done.stdout


def test_make_check_lints_every_dockerfile() -> None:
    assert "\t@$(BIN)/hadolint images/*/Dockerfile\n" in (ROOT / "Makefile").read_text()
    folders = [
        path for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name != "node_modules"
    ]
    found = [file for folder in folders for file in folder.rglob("*[Dd]ockerfile*")]
    assert sorted(found) == sorted((ROOT / "images").glob("*/Dockerfile")), "another name or place is not linted"


def test_docker_sees_the_lock_and_nothing_else() -> None:
    rules = (ROOT / "images/training/.dockerignore").read_text().splitlines()
    assert [rule for rule in rules if not rule.startswith("#")] == ["*", "!requirements.lock"]


def pins(lock: Path) -> dict[str, set[str]]:
    """Package to its versions, one for each range of Pythons."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"(?m)^(\S+)==(.+?) *\\?$", lock.read_text()):
        found.setdefault(name, set()).add(version)
    return found


@pytest.mark.parametrize("workload", [one.name for one in read_workloads(ROOT) if one.training])
def test_what_an_image_holds_is_what_is_tested_here(workload: str) -> None:
    tested, held = (pins(ROOT / path / LOCK) for path in ("", f"workloads/{workload}"))
    assert held
    assert {name: versions for name, versions in held.items() if versions != tested.get(name, versions)} == {}
    assert read_context(ROOT, workload, SOURCE).files[LOCK]


def test_the_digit_reader_holds_no_more_than_it_imports() -> None:
    needs = (ROOT / "workloads/digit-reader/requirements.in").read_text().splitlines()
    named = {re.split(r"[<>=]", line)[0] for line in needs if not line.startswith("#")}
    assert named == {"numpy", "scikit-learn"}


@pytest.fixture
def recipe(repository: Path) -> Path:
    """The repository with the Dockerfile."""
    folder = repository / "images/training"
    folder.mkdir(parents=True)
    for name in ("Dockerfile", ".dockerignore"):
        (folder / name).write_bytes((DOCKERFILE.parent / name).read_bytes())
    return repository


@pytest.mark.parametrize(
    ("lock", "telling"),
    [
        (b"", "no requirement"),
        (b"# nothing\n", "no requirement"),
        (b"numpy\n", "'numpy' is not allowed; allowed: name==version and its --hash"),
        (b"numpy==2.5.5\n", "numpy==2.5.5"),
        (b"numpy>=2 --hash=sha256:" + b"a" * 64, "numpy>=2"),
        (b"numpy==2.5.5 --hash=sha256:" + b"a" * 63, "numpy==2.5.5"),
        (b"numpy==2.5.5 --hash=md5:" + b"a" * 64, "md5"),
        (b"--index-url https://example.com\n", "--index-url"),
        (b"numpy @ https://example.com/n.whl --hash=sha256:" + b"a" * 64, "example.com"),
        (b"numpy==2 ; x == 'y' --index-url https://e --hash=sha256:" + b"a" * 64, "--index-url"),
        (b"-r other.txt\n", "-r other.txt"),
        (b"-e .\n", "-e ."),
        (b"numpy\xff==1\n", "ASCII"),
    ],
)
def test_a_lock_that_pins_too_little_is_refused_before_a_build(recipe: Path, lock: bytes, telling: str) -> None:
    (recipe / WORKLOAD_LOCK).write_bytes(lock)
    with pytest.raises(BadInput) as error:
        read_context(recipe, "digit-reader", SOURCE)
    assert str(error.value).startswith(WORKLOAD_LOCK)
    assert telling in str(error.value)


@pytest.mark.parametrize("file", [WORKLOAD_LOCK, "images/training/Dockerfile", "images/training/.dockerignore"])
def test_a_file_that_an_image_needs_is_missed_by_name(recipe: Path, file: str) -> None:
    (recipe / file).unlink()
    with pytest.raises(BadInput, match=f"{file}: 'no such file' is not allowed; an image is built"):
        read_context(recipe, "digit-reader", SOURCE)


def test_a_lock_of_any_size_is_not_read(recipe: Path) -> None:
    with (recipe / WORKLOAD_LOCK).open("wb") as file:
        file.truncate(5 * 1024 * 1024)
    with pytest.raises(BadInput, match="at most 4 MiB"):
        read_context(recipe, "digit-reader", SOURCE)


def test_an_images_tag_says_from_which_lock_it_was_built_and_changes_with_everything_in_it(recipe: Path) -> None:
    context = read_context(recipe, "digit-reader", SOURCE)
    assert built_from([context.tag], context.lock_digest)
    assert not built_from([context.tag], "0" * 64)
    assert not built_from([], context.lock_digest)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", context.tag), "what Docker takes as a tag"
    others = [
        replace(context, base=f"python@sha256:{'d' * 64}").tag,
        *(replace(context, files={**context.files, name: b"#"}).tag for name in context.files),
    ]
    assert len({context.tag, *others}) == 5
    assert context.tag == read_context(recipe, "digit-reader", SOURCE).tag


def test_the_archive_holds_the_context_and_is_the_same_each_time(recipe: Path) -> None:
    context = read_context(recipe, "digit-reader", SOURCE)
    turned = {name: context.files[name] for name in reversed(list(context.files))}
    assert context.archive() == BuildContext(turned, context.base).archive()
    with zipfile.ZipFile(BytesIO(context.archive())) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == dict(context.files)
        assert set(archive.namelist()) == {"Dockerfile", ".dockerignore", LOCK}


@pytest.mark.parametrize(
    ("findings", "rules", "refused"),
    [
        ({}, Images(), None),
        ({"LOW": 40, "MEDIUM": 3}, Images(), None),
        ({"HIGH": 0}, Images(), None),
        ({"HIGH": 1}, Images(), "1 HIGH"),
        ({"CRITICAL": 2, "HIGH": 1, "LOW": 9}, Images(), "2 CRITICAL, 1 HIGH;"),
        ({"HIGH": 1}, Images(severity_floor="CRITICAL"), None),
        ({"INFORMATIONAL": 1}, Images(severity_floor="INFORMATIONAL"), "1 INFORMATIONAL"),
        ({"UNDEFINED": 1}, Images(), "1 UNDEFINED"),
        ({"UNTRIAGED": 1, "HIGH": 1}, Images(), "1 UNTRIAGED, 1 HIGH"),
        ({"UNDEFINED": 1}, Images(unrated_as="LOW"), None),
        ({"UNDEFINED": 1}, Images(unrated_as="LOW", severity_floor="LOW"), "1 UNDEFINED"),
        ({"a word that ECR invents": 1}, Images(), "1 a word that ECR invents"),
    ],
)
def test_findings_at_the_floor_or_above_refuse_an_image(
    findings: dict[str, int], rules: Images, refused: str | None
) -> None:
    image = replace(IMAGE, scan=Scan("COMPLETE", findings))
    if refused is None:
        refuse_image(image, rules)
        return
    with pytest.raises(Refused) as error:
        refuse_image(image, rules)
    assert refused in str(error.value)
    assert str(error.value).startswith(f"{IMAGE.repository}@{IMAGE.digest}: ")
    assert "\n" not in str(error.value)


@given(st.sampled_from(SEVERITIES), st.sampled_from(SEVERITIES))
def test_one_finding_refuses_exactly_when_it_is_as_severe_as_the_floor(found: str, floor: str) -> None:
    image = replace(IMAGE, scan=Scan("ACTIVE", {found: 1}))
    try:
        refuse_image(image, Images.model_validate({"severity_floor": floor}))
        refused = False
    except Refused:
        refused = True
    assert refused == (SEVERITIES.index(found) >= SEVERITIES.index(floor))


@pytest.mark.parametrize(
    "status", ["IN_PROGRESS", "PENDING", "FAILED", "UNSUPPORTED_IMAGE", "FINDINGS_UNAVAILABLE", "missing", ""]
)
def test_an_image_that_was_not_scanned_to_the_end_is_refused(status: str) -> None:
    with pytest.raises(Refused, match=f"its scan is {status}; only an image that was scanned to the end"):
        refuse_image(replace(IMAGE, scan=Scan(status, {})), Images())


@pytest.mark.parametrize(
    ("old", "new", "telling"),
    [
        ("base", 'base = "python:latest"', ["images.source.base", "python:latest", "a digest"]),
        ("base", 'base = "python"', ["images.source.base", "python"]),
        ("base", f'base = "registry.example/python@sha256:{"a" * 64}"', ["without its host"]),
        ("base", f'base = "Python@sha256:{"a" * 64}"', ["images.source.base"]),
        ("base", "", ["images.source.base", "required"]),
        ("severity_floor", 'severity_floor = "WORSE"', ["images.severity_floor", "WORSE", "CRITICAL"]),
        ("severity_floor", 'unrated_as = "UNKNOWN"', ["images.unrated_as", "UNKNOWN"]),
        (
            "package_domain",
            'package_domain = "a.example"',
            ["images.source.package_domain", "CodeArtifact"],
        ),
        ("package_domain", 'package_account = "77"', ["images.source.package_account", "77", "12 digits"]),
        ("package_repository", 'package_repository = "a/b"', ["images.source.package_repository", "a/b"]),
        ("package_repository", 'index = "x"', ["images.source.index", "unknown key"]),
    ],
)
def test_a_wrong_word_about_images_is_refused_in_a_line(
    repository: Path, old: str, new: str, telling: list[str]
) -> None:
    path = repository / "environments/dev.toml"
    text, count = re.subn(rf"(?m)^{old} .*$", new, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    with pytest.raises(BadInput) as error:
        read_environment(repository, "dev")
    for words in telling:
        assert words in str(error.value)


def test_an_environment_may_leave_images_out_and_asks_for_no_high_finding_then(repository: Path) -> None:
    path = repository / "environments/dev.toml"
    path.write_text(path.read_text().partition("[images]")[0])
    assert read_environment(repository, "dev").images == Images(severity_floor="HIGH", unrated_as="CRITICAL")


def test_a_base_of_zeros_is_a_placeholder() -> None:
    SOURCE.refuse_placeholder("environments/dev.toml")
    with pytest.raises(BadInput, match=r"images\.source\.base: .* this is a placeholder"):
        SOURCE.model_copy(update={"base": f"python@sha256:{'0' * 64}"}).refuse_placeholder("environments/dev.toml")
