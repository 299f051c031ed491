"""From a workload's drivers to an architecture, its size, price and reasons. Pure: same input, same answer."""

from groundplan.planner.choice import Alternative, Change, Plan, Relaxation, plan
from groundplan.planner.market import Market
from groundplan.planner.option import TITLES, Option
from groundplan.planner.rules import RULES, Rule

__all__ = ["RULES", "TITLES", "Alternative", "Change", "Market", "Option", "Plan", "Relaxation", "Rule", "plan"]
