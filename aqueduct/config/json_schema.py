"""The JSON Schema of `aqueduct.yaml` for editors, from the Structs; must not know where it is stored."""

from typing import Final

import msgspec

from aqueduct.config.document import Document

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TITLE: Final = "aqueduct.yaml"


def render() -> str:
    """Return the schema as JSON text, ready to be written to `docs/aqueduct.schema.json`."""
    (_,), components = msgspec.json.schema_components((Document,), ref_template="#/$defs/{name}")
    root = components.pop("Document")
    schema = {"$schema": _DIALECT, **root, "title": _TITLE, "$defs": components}
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"
