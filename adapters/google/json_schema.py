"""JSON schemas in the two forms that Gemini takes; knows no tool and no message.

`parameters` and `responseSchema` take a subset of OpenAPI's schema object (https://ai.google.dev/api/caching#Schema)
and refuse every other keyword; `parametersJsonSchema` and `responseJsonSchema` take JSON schema.
"""

from typing import Final

import msgspec
from msgspec import Raw

from adapters.errors import ErrorKind, ProviderError
from adapters.json_values import Json, pointed_to

MAX_DEPTH: Final = 32
MAX_SCHEMAS: Final = 2000
_TYPES: Final = frozenset({"object", "array", "string", "integer", "number", "boolean"})
_FORMATS: Final = frozenset({"enum", "date-time", "int32", "int64", "float", "double"})
_SCALARS: Final = frozenset(
    {
        "title",
        "description",
        "nullable",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "maximum",
        "default",
        "example",
        "required",
        "propertyOrdering",
    }
)


def decode_schema(raw: Raw, param: str) -> dict[str, Json]:
    """Return the schema; raises `ProviderError` where it is no JSON object."""
    try:
        schema: Json = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        schema = None
    if not isinstance(schema, dict):
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"'{param}' is no JSON schema object.", param=param)
    return schema


def fits_openapi(schema: Json, depth: int = 0) -> bool:
    """Return whether a schema can travel as it is in the OpenAPI form."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return False
    kind = schema.get("type")
    if kind is not None and not (isinstance(kind, str) and kind.lower() in _TYPES):
        return False
    if kind == "object" and not schema.get("properties"):
        return False
    return all(_keyword_fits(key, value, depth) for key, value in schema.items() if key != "type")


def _keyword_fits(key: str, value: Json, depth: int) -> bool:
    match key:
        case "properties":
            return isinstance(value, dict) and all(fits_openapi(item, depth + 1) for item in value.values())
        case "items":
            return fits_openapi(value, depth + 1)
        case "anyOf":
            return isinstance(value, list) and all(fits_openapi(item, depth + 1) for item in value)
        case "enum":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "format":
            return value in _FORMATS
        case _:
            return key in _SCALARS


def to_openapi(schema: dict[str, Json]) -> dict[str, Json]:
    """Return the nearest schema in the OpenAPI form: references resolved, unknown keywords left out."""
    return _Reducer(schema).reduce(schema, 0)


class _Reducer:
    def __init__(self, root: Json) -> None:
        self._root = root
        self._count = 0

    def reduce(self, schema: Json, depth: int) -> dict[str, Json]:
        self._count += 1
        if not isinstance(schema, dict) or depth > MAX_DEPTH or self._count > MAX_SCHEMAS:
            return {}  # any value: references to themselves have no end
        schema = self._resolve(schema)
        reduced: dict[str, Json] = {key: value for key, value in schema.items() if key in _SCALARS}
        self._add_type(schema, reduced)
        properties = schema.get("properties")
        if isinstance(properties, dict):
            reduced["properties"] = {name: self.reduce(item, depth + 1) for name, item in properties.items()}
        if "items" in schema:
            reduced["items"] = self.reduce(schema["items"], depth + 1)
        for key in ("anyOf", "oneOf"):
            branches = schema.get(key)
            if isinstance(branches, list):
                self._add_branches(branches, reduced, depth)
        if schema.get("format") in _FORMATS:
            reduced["format"] = schema["format"]
        return reduced

    def _add_type(self, schema: dict[str, Json], reduced: dict[str, Json]) -> None:
        kind = schema.get("type")
        if isinstance(kind, list):
            names = [name for name in kind if name != "null"]
            if len(names) < len(kind):
                reduced["nullable"] = True
            kind = names[0] if names else None
        choices = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if isinstance(choices, list) and kind in {None, "string"}:
            reduced["enum"] = [choice for choice in choices if isinstance(choice, str)]
            kind = "string"
        if kind is not None:
            reduced["type"] = kind

    def _add_branches(self, branches: list[Json], reduced: dict[str, Json], depth: int) -> None:
        kept = [branch for branch in branches if not (isinstance(branch, dict) and branch.get("type") == "null")]
        if len(kept) < len(branches):
            reduced["nullable"] = True
        if len(kept) == 1:
            reduced.update(self.reduce(kept[0], depth + 1))
        else:
            reduced["anyOf"] = [self.reduce(branch, depth + 1) for branch in kept]

    def _resolve(self, schema: dict[str, Json]) -> dict[str, Json]:
        """Follow `$ref` a bounded number of times; what cannot be found is any value."""
        for _ in range(MAX_DEPTH):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                break
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**pointed_to(self._root, reference), **rest}
        return schema
