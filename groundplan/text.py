"""Texts that AWS takes as names or tags, as pydantic types that say what is allowed. ASCII only, on purpose."""

import re
from typing import Annotated

from pydantic import AfterValidator

from groundplan.regions import REGIONS


def matching(pattern: str, allowed: str) -> AfterValidator:
    """A validator that admits what matches `pattern` as a whole and otherwise says what is allowed."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(allowed)
        return value

    return AfterValidator(check)


def _region(value: str) -> str:
    if value.startswith(("cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-")):
        raise ValueError(
            "GovCloud, China and the isolated partitions are not supported: nothing here was tried there; "
            "allowed: a region of the partition aws, such as us-east-1"
        )
    if value not in REGIONS:
        raise ValueError(f"allowed: a region of the partition aws that has SageMaker: {', '.join(sorted(REGIONS))}")
    return value


AccountId = Annotated[str, matching(r"[0-9]{12}", "allowed: a string of exactly 12 digits")]
Region = Annotated[str, AfterValidator(_region)]
EnvironmentName = Annotated[
    str, matching(r"[a-z][a-z0-9]{0,9}", "allowed: 1 to 10 lower-case letters and digits, a letter first")
]
Prefix = Annotated[
    str, matching(r"[a-z][a-z0-9]{1,9}", "allowed: 2 to 10 lower-case letters and digits, a letter first")
]
Qualifier = Annotated[str, matching(r"[a-z0-9]{1,10}", "allowed: 1 to 10 lower-case letters and digits (AWS CDK)")]
WorkloadName = Annotated[
    str,
    matching(
        r"(?=.{3,24}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
        "allowed: 3 to 24 lower-case letters, digits and single hyphens, a letter first "
        "(it becomes part of names that AWS limits)",
    ),
]
TagValue = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_.:/=+@-][A-Za-z0-9 _.:/=+@-]{0,127}",
        "allowed: 1 to 128 of letters, digits, space and _.:/=+-@, no space first (AWS tag value)",
    ),
]
TagKey = Annotated[
    str,
    matching(
        r"(?![aA][wW][sS]:)[A-Za-z0-9_.:/=+@-][A-Za-z0-9 _.:/=+@-]{0,127}",
        "allowed: 1 to 128 of letters, digits, space and _.:/=+-@, no space first and not aws: (AWS tag key)",
    ),
]
EmailAddress = Annotated[
    str, matching(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}", "allowed: an e-mail address")
]
InstanceType = Annotated[
    str, matching(r"ml\.[a-z0-9-]+\.[a-z0-9]+", "allowed: a SageMaker instance type such as ml.m5.large")
]
FileName = Annotated[
    str,
    matching(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", "allowed: the plain name of a file in the workload's folder"),
]
