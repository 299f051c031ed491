"""The policies of the production environment, judged together; and the proofs themselves, by mutations."""

from pathlib import Path

from proofs.report import Report

DOCUMENT = Path(__file__).parents[3] / "docs/security.md"
LEAST_ASSERTIONS = 300
LEAST_CAUGHT = 0.9


def test_every_assertion_holds(report: Report) -> None:
    assert report.broken[:20] == []


def test_there_are_enough_of_each_kind(report: Report) -> None:
    assert sum(report.kinds.values()) >= LEAST_ASSERTIONS
    assert report.positive >= LEAST_ASSERTIONS / 3
    assert min(report.kinds.values()) > 0


def test_nine_of_ten_mistakes_in_the_policies_are_noticed(report: Report) -> None:
    assert report.mutations > 500
    assert report.caught / report.mutations >= LEAST_CAUGHT


def test_every_mistake_that_is_not_noticed_is_explained(report: Report) -> None:
    assert [mutation for mutation, reason in report.survivors.items() if not reason] == []


def test_every_explanation_still_explains_something(report: Report) -> None:
    assert report.unused_explanations == []


def test_the_document_states_the_figures(report: Report) -> None:
    stated = DOCUMENT.read_text().partition("<!-- figures -->")[2].partition("<!-- /figures -->")[0]
    assert stated.strip() == report.table(), "make proofs WRITE=1 renews them"
