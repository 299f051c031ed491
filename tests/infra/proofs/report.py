"""The proofs of one environment in figures, and where they come from."""

from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from proofs.assertions import Assertion, assertions
from proofs.mutations import survivors
from proofs.survivors import EXPLAINED
from proofs.world import World


@dataclass(frozen=True)
class Report:
    """Computed once, asked by the tests and by `make proofs`."""

    world: World

    @cached_property
    def assertions(self) -> list[Assertion]:
        """All of them."""
        return assertions(self.world)

    @cached_property
    def broken(self) -> list[str]:
        """Ids of the assertions that do not hold."""
        return [f"{entry.kind}: {entry.id}" for entry in self.assertions if not entry.holds(self.world)]

    @cached_property
    def kinds(self) -> dict[str, int]:
        """Assertions by kind, in the order of the making."""
        return dict(Counter(entry.kind for entry in self.assertions))

    @cached_property
    def positive(self) -> int:
        """Assertions that something is allowed."""
        return sum(entry.allowed for entry in self.assertions)

    @cached_property
    def _mutations(self) -> tuple[int, list[str]]:
        return survivors(self.world, self.assertions)

    @property
    def mutations(self) -> int:
        """How many mutations were made."""
        return self._mutations[0]

    @property
    def caught(self) -> int:
        """How many of them an assertion noticed."""
        return self._mutations[0] - len(self._mutations[1])

    @cached_property
    def survivors(self) -> dict[str, str]:
        """Mutation to the reason why it is harmless; an empty reason where none is given."""
        return {
            mutation: next((reason for pattern, reason in EXPLAINED.items() if fnmatchcase(mutation, pattern)), "")
            for mutation in self._mutations[1]
        }

    @property
    def unused_explanations(self) -> list[str]:
        """Explanations for which there is no survivor any more."""
        return [
            pattern
            for pattern in EXPLAINED
            if not any(fnmatchcase(mutation, pattern) for mutation in self._mutations[1])
        ]

    def table(self) -> str:
        """The figures as docs/security.md states them."""
        figures = self.figures()
        rows = [f"| {count} | {kind} |" for kind, count in self.kinds.items()]
        return "\n".join(
            [
                f"**{figures['assertions']} assertions**, of which {figures['assertions_allowed']} say what must be "
                f"allowed and {figures['assertions_refused']} what must be refused; all hold. "
                f"**{figures['mutations']} mutations**, of which {figures['mutations_caught']} are caught: "
                f"**{figures['mutations_caught_percent']} %**; {figures['survivors']} are harmless, and explained.",
                "",
                "| assertions | of the kind |",
                "|---|---|",
                *rows,
            ]
        )

    def figures(self) -> dict[str, int | float]:
        """The numbers that docs/security.md states."""
        return {
            "assertions": len(self.assertions),
            "assertions_allowed": self.positive,
            "assertions_refused": len(self.assertions) - self.positive,
            "mutations": self.mutations,
            "mutations_caught": self.caught,
            "mutations_caught_percent": round(100 * self.caught / self.mutations, 1),
            "survivors": len(self.survivors),
        }
