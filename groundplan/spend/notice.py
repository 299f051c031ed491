"""What AWS Budgets writes to a topic: a letter in English with one line for each fact.

The form is not promised anywhere; one as people found it is in tests/events/budget_notice.txt. A letter that cannot
be read is passed on as it is, never dropped.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from groundplan.spend.thresholds import Basis, Crossing, Kind, Standing, Subject

_LINES = {
    "budget": r"Budget Name:\s*(.+)",
    "limit": r"Budgeted Amount:\s*\$?([0-9.,]+)",
    "basis": r"Alert Type:\s*(ACTUAL|FORECASTED)",
    "threshold": r"Alert Threshold:\s*>\s*\$?([0-9.,]+)",
    "amount": r"(?:ACTUAL|FORECASTED) Amount:\s*\$?([0-9.,]+)",
}
_KINDS: dict[str, Kind] = {"account": "account", "workload": "workload", "tenant": "tenant"}


@dataclass(frozen=True)
class Notice:
    """US dollars. `threshold_usd` is what was passed, `amount_usd` what was spent or is forecast."""

    budget: str
    limit_usd: Decimal
    basis: Basis
    threshold_usd: Decimal
    amount_usd: Decimal

    @property
    def percent(self) -> int:
        """The threshold, in percent of the limit."""
        return int((self.threshold_usd * 100 / self.limit_usd).to_integral_value())

    def subject(self, stem: str) -> Subject | None:
        """Whose budget it is, by its name `<stem>-<kind>-<name>`; None for one that the platform did not make."""
        kind, _, name = self.budget.removeprefix(f"{stem}-").partition("-")
        if not self.budget.startswith(f"{stem}-") or kind not in _KINDS or not name:
            return None
        return Subject(_KINDS[kind], name)

    def crossing(self, subject: Subject, day: date) -> Crossing:
        """The threshold that it tells of, as it was passed on a day."""
        standing = Standing(
            subject=subject,
            ceiling_usd=self.limit_usd,
            actual_usd=self.amount_usd if self.basis == "actual" else Decimal(0),
            forecast_usd=self.amount_usd if self.basis == "forecast" else None,
            day=day,
        )
        return Crossing(standing, self.basis, self.percent)


def notice_of(text: str) -> Notice | None:
    """The notice in a letter; None when one of its facts is missing or no number."""
    found = {name: re.search(f"^{line}\\s*$", text, re.MULTILINE) for name, line in _LINES.items()}
    said = {name: match[1].strip() for name, match in found.items() if match}
    try:
        limit, threshold, amount = (Decimal(said[name].replace(",", "")) for name in ("limit", "threshold", "amount"))
        basis: Basis = "actual" if said["basis"] == "ACTUAL" else "forecast"
        budget = said["budget"]
    except (KeyError, InvalidOperation):
        return None
    return Notice(budget, limit, basis, threshold, amount) if limit > 0 else None
