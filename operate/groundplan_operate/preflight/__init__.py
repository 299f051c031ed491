"""What must be in the accounts before, and beside, what is deployed there. Reads only.

Each concern is a function that asks its questions; a new one is a line in `CONCERNS`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from groundplan.refusal import Refused
from groundplan_operate.preflight.bootstrapped import bootstrapped
from groundplan_operate.preflight.cost_tags import cost_tags
from groundplan_operate.preflight.credentials import CHECK, credentials
from groundplan_operate.preflight.imports import imports
from groundplan_operate.preflight.models import models
from groundplan_operate.preflight.questions import Answer, Found, Question, Site, answer, told
from groundplan_operate.preflight.quotas import bucket_count, function_concurrency, instances, interface_endpoints
from groundplan_operate.preflight.region import region

Concern = Callable[[Site], Iterator[Question]]
CONCERNS: Sequence[Concern] = (
    credentials,
    bootstrapped,
    imports,
    region,
    function_concurrency,
    bucket_count,
    interface_endpoints,
    instances,
    models,
    cost_tags,
)
# Quick to ask, and not what a deployment puts right by itself.
BEFORE_DEPLOYMENT: Sequence[Concern] = (
    credentials,
    imports,
    region,
    function_concurrency,
    bucket_count,
    interface_endpoints,
)


def questions(site: Site, concerns: Iterable[Concern] = CONCERNS) -> list[Question]:
    """Everything that is to be asked, in order; credentials come first."""
    return [question for concern in concerns for question in concern(site)]


def answers(asked: Iterable[Question]) -> Iterator[Answer]:
    """One by one. An account without credentials is not asked further."""
    numbers: dict[str, str] = {}
    for question in asked:
        if question.check != CHECK and numbers.get(question.account, "ok") != "ok":
            yield told(
                question, Found("unknown", "not asked, for want of its credentials", "see its credentials above")
            )
            continue
        given = answer(question)
        if question.check == CHECK:
            numbers[question.account] = given.status
        yield given


def refuse_what_is_missing(site: Site) -> None:
    """Before a deployment; raises Refused with a line for each thing that would make it fail.

    Credentials of every account are not needed for that: what cannot be seen without them is passed over.
    """
    lines = [
        f"{given.account}: {given.check}: {given.found}; wanted: {given.wanted}; {given.remedy}"
        for given in answers(questions(site, BEFORE_DEPLOYMENT))
        if given.status == "missing" and given.check != CHECK
    ]
    if lines:
        raise Refused("\n".join(lines))
