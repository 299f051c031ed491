"""The Glue catalogue: which tables are declared, in the words of their declaration."""

from typing import Any

from groundplan.intake import DECLARATION
from groundplan.names import catalogue_table
from groundplan.table import Table


class Catalogue:
    """Tables of one database."""

    def __init__(self, glue: Any, database: str) -> None:
        self._glue = glue
        self._database = database

    def find(self, workload: str, table: str) -> Table | None:
        """The declaration with which a table was deployed; None when there is no such table."""
        try:
            found = self._glue.get_table(DatabaseName=self._database, Name=catalogue_table(workload, table))
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return Table.model_validate_json(found["Table"]["Parameters"][DECLARATION])
