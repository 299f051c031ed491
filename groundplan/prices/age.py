"""How old a snapshot of prices may be before it is doubted, and before it is refused."""

import os
from datetime import UTC, date, datetime

from groundplan.prices.price_book import PriceBook
from groundplan.refusal import Refused

WARN_DAYS, REFUSE_DAYS = 90, 180


def today() -> date:
    """The day it is (UTC), or the one that SOURCE_DATE_EPOCH says (https://reproducible-builds.org/specs/)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC).date() if epoch.isdigit() else datetime.now(UTC).date()


def check_age(book: PriceBook, on: date, *, accepted: str = "") -> str:
    """A warning for a snapshot of more than 90 days, nothing for a fresh one or where there is no file.

    Raises Refused for one of more than 180 days, unless it is `accepted` for a reason.
    """
    if book.retrieved is None:
        return ""
    days = (on - book.retrieved).days
    line = f"the prices of {book.region} are {days} days old ({book.retrieved})"
    renew = f"renew them: groundplan prices refresh --region {book.region}"
    if days > REFUSE_DAYS and not accepted:
        raise Refused(
            f'{line}, at most {REFUSE_DAYS} are trusted; {renew}, or say why not: [prices] accept_old = "…"'
        )
    if days > WARN_DAYS:
        return f"{line}; {f'accepted: {accepted}' if days > REFUSE_DAYS else renew}"
    return ""
