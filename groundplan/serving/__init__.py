"""How a model is served: what AWS offers in each mode, what it refuses, and what Inferentia2 asks for. Pure."""

from groundplan.serving.offers import FEATURES, MODES, OFFERS, Feature, Mode, Offer, refuse_unoffered
from groundplan.serving.rules import RULES, Rule, Violation, violations

__all__ = [
    "FEATURES",
    "MODES",
    "OFFERS",
    "RULES",
    "Feature",
    "Mode",
    "Offer",
    "Rule",
    "Violation",
    "refuse_unoffered",
    "violations",
]
