"""The family of a node: the order of its nodes, the tree in both directions, and the picture as one safe page."""

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.console import Console

from groundplan.lineage.family import Family, family
from groundplan.lineage.picture import KINDS, MOST_NODES, SHAPES, picture
from groundplan.lineage.records import (
    Endpoint,
    Package,
    Run,
    Slice,
    endpoint_from_description,
    package_from_description,
    run_from_description,
)
from groundplan.lineage.rows import Relation, State, items, relations
from groundplan_operate.lineage import KINDS as SUBJECTS
from groundplan_operate.lineage import Answer, run_as_json, show

ARN = "arn:aws:sagemaker:us-east-1:222222222222"
PACKAGE = f"{ARN}:model-package/digit-reader/3"
HOSTILE = '<script>alert(1)</script>"onload="x'


def run(name: str, *, bases: tuple[str, ...] = (), **changes: Any) -> Run:
    """A run that completed."""
    described = {
        "TrainingJobName": name,
        "TrainingJobArn": f"{ARN}:training-job/{name}",
        "TrainingJobStatus": "Completed",
        "CreationTime": 0,
        "ModelArtifacts": {"S3ModelArtifacts": model(name)},
        "Environment": {"GROUNDPLAN_WORKLOAD": "digit-reader", "GROUNDPLAN_DATA_MANIFEST_ROOT": "da7a"},
    }
    return replace(run_from_description(described), bases=bases, **changes)


def model(name: str) -> str:
    return f"s3://artefacts/workloads/digit-reader/output/{name}/output/model.tar.gz"


def package(name: str) -> Package:
    return package_from_description(
        {
            "ModelPackageArn": PACKAGE,
            "ModelPackageStatus": "Completed",
            "ModelApprovalStatus": "Approved",
            "CreationTime": 0,
            "InferenceSpecification": {"Containers": [{"ModelDataUrl": model(name)}]},
        }
    )


def endpoint() -> Endpoint:
    described = {
        "EndpointName": "digit-reader",
        "EndpointArn": f"{ARN}:endpoint/digit-reader",
        "EndpointStatus": "InService",
        "EndpointConfigName": "config-1",
        "CreationTime": 0,
    }
    return endpoint_from_description(described, serves=[f"package/{PACKAGE}"])


def family_of(subject: str, records: Sequence[Any]) -> Family:
    """As the table would give it, when they are recorded in this order."""
    known: list[Relation] = []
    for record in records:
        above = {upper: [each for each in known if each.node == upper] for _, upper in record.edges()}
        known += relations(record, above, [each for each in known if each.target == record.product])
    ups = sorted((each for each in known if each.node == subject), key=lambda each: (each.depth, each.target))
    downs = sorted((each for each in known if each.target == subject), key=lambda each: (each.depth, each.node))
    return family(subject, ups, downs, [State.from_item(items(record, {}, ())[-1]) for record in records])


FIRST = run("first", cost_usd="0.004025", metrics={"accuracy": 0.97}, artefact_sha256="9f" * 32)
SECOND = run("second", bases=(model("first"),))
ALL = (FIRST, SECOND, package("second"), endpoint())


def page(found: Family, *runs: Run) -> str:
    return picture(found, [run_as_json(items(each, {}, ())[-1]["record"]) for each in runs], where="Environment dev")


def tree(found: Family) -> str:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    show(Answer(found.subject, found, []), console)
    return console.file.getvalue()  # type: ignore[attr-defined]


# The family --------------------------------------------------------------------------------------------------------


def test_every_node_stands_after_all_that_it_came_from() -> None:
    for subject in ("run/second", "run/first", "dataset/da7a", "endpoint/digit-reader"):
        found = family_of(subject, ALL)
        order = found.in_order()
        assert sorted(order) == sorted(found.nodes)
        for lower, upper in found.steps:
            assert order.index(upper) < order.index(lower)


def test_of_many_the_nearest_are_drawn() -> None:
    found = family_of("run/second", ALL)
    nearest = found.in_order(5)
    assert set(nearest) == {
        "run/second",
        *(node for node, depth in (*found.ancestors, *found.descendants) if depth == 1),
    }


def test_records_that_contradict_each_other_end_the_order_all_the_same() -> None:
    found = Family("run/a", (("run/b", 1),), (), (("run/a", "run/b"), ("run/b", "run/a")), {})
    assert sorted(found.in_order()) == ["run/a", "run/b"]


def test_what_is_said_of_a_node_is_its_status_cost_metrics_and_checksum() -> None:
    facts = family_of("run/second", ALL).facts
    assert facts["run/first"] == ("Completed", "$0.0040", "accuracy 0.97")
    assert facts[f"model/{model('first')}"] == ("sha256 9f9f9f9f9f9f…",)
    assert facts["run/second"] == ("Completed", "cost unknown")
    assert facts[f"package/{PACKAGE}"] == ("Completed", "Approved")
    assert facts["endpoint/digit-reader"] == ("InService", "config-1")


# The tree ----------------------------------------------------------------------------------------------------------


def test_the_tree_goes_both_ways_each_node_below_what_it_touches() -> None:
    lines = [re.sub(r"[│├└─]", " ", line) for line in tree(family_of("run/second", ALL)).splitlines()]
    shape = [(len(line) - len(line.lstrip()), line.split("  ")[0] or line.split()[0]) for line in lines]
    depth = {line.split()[0]: len(line) - len(line.lstrip()) for line in lines}
    assert shape[0][0] == 0
    steps = [f"model/{model('first')}", "run/first"]
    assert [depth[step] for step in steps] == [8, 12]
    steps = [f"model/{model('second')}", f"package/{PACKAGE}", "endpoint/digit-reader"]
    assert [depth[step] for step in steps] == [8, 12, 16]
    assert sum("dataset/da7a" in line for line in lines) == 2
    assert sum("dataset/da7a  (as above)" in line for line in lines) == 1


def test_a_node_whose_record_is_gone_is_still_in_the_tree_with_its_distance() -> None:
    found = family("endpoint/e", [Relation("endpoint/e", "run/lost", 3, "1")], [], [])
    assert "run/lost  3 steps away" in tree(found)


def test_names_are_no_markup_and_no_control_codes() -> None:
    found = family("run/a", [Relation("run/a", "dataset/[bold]x\x1b[2J", 1, "1")], [], [])
    said = tree(found)
    assert "dataset/[bold]x\\u001b[2J" in said
    assert "\x1b" not in said


# The picture -------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Tags that were opened and not closed, every tag, every attribute, and the text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_picture_names_every_node_in_full_and_every_kind_in_words() -> None:
    found = family_of("run/second", ALL)
    read = Page(page(found, SECOND, FIRST))
    assert read.open == []
    for node in found.nodes:
        kind, _, name = node.partition("/")
        assert name in read.text
        assert KINDS[kind] in read.text
    assert read.text.count("Training run — this one") == 1
    assert set(KINDS) == set(SHAPES) == set(SUBJECTS)


def test_the_picture_loads_and_runs_nothing() -> None:
    read = Page(page(family_of("run/second", ALL), SECOND))
    assert not {"script", "link", "img", "iframe", "object", "image", "use", "a"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name.startswith("on") or name in ("src", "href", "xlink:href")]
    urls = [value for _, value in read.attributes if "url(" in value]
    assert set(urls) <= {"url(#tip)"}
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in read.attributes


def test_hostile_names_are_text_in_the_picture() -> None:
    hostile = replace(
        SECOND,
        name=HOSTILE,
        workload=f"w{HOSTILE}",
        failure_reason="a\u202eb",
        hyperparameters={HOSTILE: HOSTILE},
        metrics={HOSTILE: 1.0},
        slices=(Slice(HOSTILE, 0.5, {HOSTILE: HOSTILE}),),
        forced_reason=HOSTILE,
    )
    content = page(family_of(hostile.node, [hostile]), hostile)
    read = Page(content)
    assert read.open == []
    assert "script" not in read.tags
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert HOSTILE in read.text
    assert "\u202e" not in content
    assert "a\\u202eb" in read.text


def test_a_large_family_is_drawn_in_part_and_says_so() -> None:
    many = [run(f"run-{number:03}") for number in range(100)]
    read = Page(page(family_of("dataset/da7a", many)))
    assert read.tags.count("g") == 2 * MOST_NODES
    assert f"{201 - MOST_NODES} more are farther away" in " ".join(read.text.split())


def test_slices_have_bars_where_they_are_shares_and_numbers_always() -> None:
    slices = (Slice("accuracy", 0.5, {"digit": "8"}), Slice("loss", 7.0, {"digit": "8"}))
    content = page(family_of("run/second", ALL), replace(SECOND, slices=slices))
    assert content.count('class="bar"') == 1
    assert 'style="width:50.0%"' in content
    assert "accuracy by slice" in content
    assert "loss by slice" in content


@pytest.mark.parametrize("changes", [{}, {"cost_usd": "0.004025", "cost_basis": "126 billable seconds"}])
def test_a_cost_that_is_not_known_is_said_to_be_unknown(changes: dict[str, Any]) -> None:
    text = Page(page(family_of("run/second", ALL), replace(SECOND, **changes))).text
    assert ("$0.0040: 126 billable seconds" if changes else "cost unknown: not recorded") in text
    assert "$0.00:" not in text
