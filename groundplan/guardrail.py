"""`guardrail.toml`: what the guardrail blocks and masks, and whether that is enough for the data that comes to it.

What AWS takes: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateGuardrail.html
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from groundplan.canonical import digest
from groundplan.quantity import Quantity
from groundplan.refusal import BadInput, Disallowed, Finding
from groundplan.text import matching
from groundplan.toml_file import Values, read_toml
from groundplan.workload.data import Classification

FILE = "guardrail.toml"
# Of one guardrail; AWS refuses another. Old ones go by hand: aws bedrock delete-guardrail --guardrail-version
# https://docs.aws.amazon.com/general/latest/gr/bedrock.html
MOST_VERSIONS = 20
Filter = Literal["SEXUAL", "VIOLENCE", "HATE", "INSULTS", "MISCONDUCT", "PROMPT_ATTACK"]
Strength = Literal["NONE", "LOW", "MEDIUM", "HIGH"]
Action = Literal["BLOCK", "ANONYMIZE"]
Pii = Literal[
    "ADDRESS", "AGE", "AWS_ACCESS_KEY", "AWS_SECRET_KEY", "CA_HEALTH_NUMBER", "CA_SOCIAL_INSURANCE_NUMBER",
    "CREDIT_DEBIT_CARD_CVV", "CREDIT_DEBIT_CARD_EXPIRY", "CREDIT_DEBIT_CARD_NUMBER", "DRIVER_ID", "EMAIL",
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER", "IP_ADDRESS", "LICENSE_PLATE", "MAC_ADDRESS", "NAME", "PASSWORD", "PHONE",
    "PIN", "SWIFT_CODE", "UK_NATIONAL_HEALTH_SERVICE_NUMBER", "UK_NATIONAL_INSURANCE_NUMBER",
    "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER", "URL", "USERNAME", "US_BANK_ACCOUNT_NUMBER", "US_BANK_ROUTING_NUMBER",
    "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER", "US_PASSPORT_NUMBER", "US_SOCIAL_SECURITY_NUMBER",
    "VEHICLE_IDENTIFICATION_NUMBER",
]  # fmt: skip
Message = Annotated[str, Field(min_length=1, max_length=500)]
CLASSES: tuple[Classification, ...] = get_args(Classification)  # from the least secret
_STRENGTHS: tuple[Strength, ...] = get_args(Strength)
# The least strength of the harmful categories, and of prompt attacks, by class of data.
FLOORS: dict[Classification, tuple[Strength, Strength]] = {
    "public": ("LOW", "MEDIUM"),
    "internal": ("LOW", "MEDIUM"),
    "confidential": ("MEDIUM", "HIGH"),
    "restricted": ("MEDIUM", "HIGH"),
}
# What must be blocked or masked where data is confidential: whom it is about, how he pays, and how he gets in.
CONFIDENTIAL_PII: tuple[Pii, ...] = (
    "NAME", "EMAIL", "PHONE", "ADDRESS", "CREDIT_DEBIT_CARD_NUMBER", "PASSWORD", "AWS_SECRET_KEY",
)  # fmt: skip


class Topic(Values):
    """What is not talked about."""

    name: Annotated[str, matching(r"[0-9A-Za-z _.!?-]{1,100}", "allowed: 1 to 100 letters, digits, spaces and -_!?.")]
    definition: Annotated[str, Field(min_length=1, max_length=200)]
    examples: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(strict=False, max_length=5)
    ] = ()


class Words(Values):
    """What is blocked word by word."""

    profanity: bool = True
    blocked: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(strict=False, max_length=10_000)
    ] = ()


class Regex(Values):
    """What is blocked or masked by its form."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    pattern: Annotated[str, Field(min_length=1, max_length=500)]
    action: Action

    @field_validator("pattern")
    @classmethod
    def _is_one_that_bedrock_takes(cls, value: str) -> str:
        if re.search(r"\(\?<?[=!]", value):
            raise ValueError("allowed: a regular expression without lookaround, which Bedrock does not take")
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"allowed: a regular expression; {error}") from None
        return value


class Guardrail(Values):
    """The guardrail's policy, as the file says it."""

    data_class: Classification
    tier: Literal["CLASSIC", "STANDARD"] = "CLASSIC"
    blocked_input: Message
    blocked_output: Message
    filters: dict[Filter, Strength] = Field(default={}, description="strength by category; left out: NONE")
    topics: Annotated[tuple[Topic, ...], Field(strict=False, max_length=30)] = ()
    words: Words = Words()
    pii: dict[Pii, Action] = Field(default={}, description="what becomes of each kind")
    regexes: Annotated[tuple[Regex, ...], Field(strict=False, max_length=30)] = ()
    grounding: dict[Literal["GROUNDING", "RELEVANCE"], Quantity] = Field(default={}, description="least scores")

    @field_validator("grounding")
    @classmethod
    def _is_a_share(cls, value: dict[str, Quantity]) -> dict[str, Quantity]:
        for name, threshold in value.items():
            if threshold > 1 or threshold == 1:
                raise Disallowed(f"{threshold}", "allowed: from 0 to 0.99", field=f"grounding.{name}")
        return value

    @model_validator(mode="after")
    def _names_differ(self) -> "Guardrail":
        topics, regexes = [one.name for one in self.topics], [one.name for one in self.regexes]
        for field, names in (("topics", topics), ("regexes", regexes)):
            for name in names:
                if names.count(name) > 1:
                    raise Disallowed(name, "allowed: each name once", field=field)
        return self

    @property
    def fingerprint(self) -> str:
        """Eight digits that change with the policy."""
        return digest(self.model_dump(mode="json"))[:8]

    def covers(self, classification: Classification) -> bool:
        """Whether data of a class may come to it."""
        return CLASSES.index(classification) <= CLASSES.index(self.data_class)

    def weaknesses(self) -> Iterator[Finding]:
        """Where it is too weak for its data class: what is given, why that is too little, and what to do."""
        harmful, attack = FLOORS[self.data_class]
        for name in get_args(Filter):
            given = self.filters.get(name, "NONE")
            floor = attack if name == "PROMPT_ATTACK" else harmful
            if _STRENGTHS.index(given) < _STRENGTHS.index(floor):
                allowed = f"at least {floor} where data is {self.data_class}; raise it, or lower data_class"
                yield Finding(FILE, f"filters.{name}", given, allowed)
        if CLASSES.index(self.data_class) < CLASSES.index("confidential"):
            return
        for kind in CONFIDENTIAL_PII:
            if kind not in self.pii:
                allowed = f"BLOCK or ANONYMIZE where data is {self.data_class}: it would reach models and logs"
                yield Finding(FILE, f"pii.{kind}", "nothing", allowed)
        if self.data_class == "restricted" and self.tier == "STANDARD":
            allowed = "CLASSIC where data is restricted: STANDARD judges it in other regions"
            yield Finding(FILE, "tier", self.tier, allowed)

    def refuse_weak(self) -> None:
        """Raises BadInput with every weakness."""
        if found := list(self.weaknesses()):
            raise BadInput(found)


def read_guardrail(root: Path) -> Guardrail:
    """The guardrail of the repository at `root`; raises BadInput."""
    return read_toml(root, Path(FILE), Guardrail)


def refused_tier(region: str) -> BadInput:
    """What is said where a region has no profile to which the tier STANDARD could send."""
    return BadInput([Finding(FILE, "tier", "STANDARD", f"CLASSIC in {region}, which has no guardrail profile")])
