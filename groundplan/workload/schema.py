"""The JSON Schema of `workload.toml`, for editors: `python -m groundplan.workload.schema` prints it.

Editors complete and check by it while one types; what no schema can say (one driver against another) is said by
`groundplan plan`.
"""

import json
from decimal import Decimal
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from groundplan.workload.workload import Workload


class _OfToml(GenerateJsonSchema):
    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:  # noqa: ARG002
        """Numbers, never text that holds one; no driver is negative."""
        return {"type": "number", "minimum": 0}

    def encode_default(self, dft: Any) -> Any:
        """A number's default as a number."""
        return float(dft) if isinstance(dft, Decimal) else super().encode_default(dft)


def workload_schema() -> str:
    """The schema as it is published."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Workload.model_json_schema(schema_generator=_OfToml),
    }
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(workload_schema(), end="")
