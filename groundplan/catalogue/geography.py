"""How far a request travels: to one region, over a geography, or anywhere."""

from groundplan.prices.token_prices import GEOGRAPHIES
from groundplan.workload.data import Classification

GLOBAL = "global"


def places(target: str) -> str:
    """The geography of an inference profile's id, nothing for a model, which answers where it is asked."""
    first = target.partition(".")[0]
    return first if first in (*GEOGRAPHIES, GLOBAL) else ""


def keeps_to(target: str, classification: Classification) -> str:
    """Why data of a class must not be sent to a model or profile; nothing where it may."""
    geography = places(target)
    if classification == "restricted" and geography:
        return f"restricted data stays in its region; {target} may answer from another"
    if classification == "confidential" and geography == GLOBAL:
        return "confidential data stays in its geography; a global profile has none"
    return ""
