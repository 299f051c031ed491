"""The approved foundation models, and what follows from their list. Pure."""

from groundplan.catalogue.catalogue import FILE, Catalogue, Model, read_catalogue
from groundplan.catalogue.geography import keeps_to, places

__all__ = ["FILE", "Catalogue", "Model", "keeps_to", "places", "read_catalogue"]
