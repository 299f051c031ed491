"""Tests judge the code and not the calendar: for them it is the day on which the prices were read."""

import os
from datetime import UTC, datetime, time

from groundplan.prices import read_prices

_RETRIEVED = read_prices(None, "us-east-1").retrieved
assert _RETRIEVED
os.environ["SOURCE_DATE_EPOCH"] = str(int(datetime.combine(_RETRIEVED, time.min, UTC).timestamp()))
