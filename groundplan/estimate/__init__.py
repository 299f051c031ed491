"""What a synthesised app will cost a month, resource by resource, before anything is deployed."""

from groundplan.estimate.assembly import read_stacks
from groundplan.estimate.estimate import Estimate, Line, estimate
from groundplan.estimate.usage import Usage

__all__ = ["Estimate", "Line", "Usage", "estimate", "read_stacks"]
