"""How fast AWS's time goes here: waits and the periods of alarms, divided by `GROUNDPLAN_LOCAL_SPEED`."""

import os

VARIABLE, USUAL = "GROUNDPLAN_LOCAL_SPEED", 60.0


def here(seconds: float) -> float:
    """Seconds of AWS's as seconds of this machine's; a minute in one second, unless the variable says otherwise."""
    return seconds / float(os.environ.get(VARIABLE, USUAL))
