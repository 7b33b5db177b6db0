"""The smallest JSON value that follows a JSON schema; knows no API.

Covers what structured outputs use: types, `enum`, `const`, `required`, `items`, `$ref`, `anyOf`, `oneOf`, `allOf` and
the bounds on numbers, strings and arrays. `pattern`, `not` and conditionals are not followed.
"""

import math
from typing import Final

from adapters.json_values import Json, pointed_to

MAX_DEPTH: Final = 24
MAX_VALUES: Final = 2000
MAX_CHARS: Final = 1000
_FORMATS: Final = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "duration": "PT0S",
    "email": "echo@example.org",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "00:00:00Z",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def minimal_instance(schema: Json) -> Json:
    """Return the instance; where a schema cannot be followed, the nearest value."""
    return _Builder(schema).build(schema, 0)


class _Builder:
    def __init__(self, root: Json) -> None:
        self._root = root
        self._values = 0

    def build(self, schema: Json, depth: int) -> Json:
        self._values += 1
        if not isinstance(schema, dict) or depth > MAX_DEPTH or self._values > MAX_VALUES:
            return None if depth > MAX_DEPTH or self._values > MAX_VALUES else {}
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        if isinstance(choices := schema.get("enum"), list) and choices:
            return choices[0]
        for key in ("anyOf", "oneOf"):
            if isinstance(branches := schema.get(key), list) and branches:
                return self.build(self._least_deep(branches), depth + 1)
        return self._of_type(schema, depth)

    def _resolve(self, schema: dict[str, Json]) -> dict[str, Json]:
        """Follow `$ref` and merge `allOf`, each a bounded number of times."""
        for _ in range(MAX_DEPTH):
            reference = schema.get("$ref")
            if isinstance(reference, str):
                target = pointed_to(self._root, reference)
                schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
            elif isinstance(parts := schema.get("allOf"), list):
                schema = _merge(schema, parts)
            else:
                break
        return schema

    def _least_deep(self, branches: list[Json]) -> Json:
        """Prefer a branch without a reference: in a recursive schema that is the one that ends."""
        plain = [branch for branch in branches if isinstance(branch, dict) and "$ref" not in branch]
        return (plain or branches)[0]

    def _of_type(self, schema: dict[str, Json], depth: int) -> Json:
        match _type_of(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                count = min(_bound(schema, "minItems", 0), 100)
                return [self.build(schema.get("items", {}), depth + 1) for _ in range(int(count))]
            case "string":
                return _string(schema)
            case "integer":
                return math.ceil(_number(schema))
            case "number":
                return _number(schema)
            case "boolean":
                return False
            case _:
                return None

    def _object(self, schema: dict[str, Json], depth: int) -> Json:
        properties = schema.get("properties")
        required = schema.get("required")
        if not isinstance(required, list):
            return {}
        known = properties if isinstance(properties, dict) else {}
        return {name: self.build(known.get(name, {}), depth + 1) for name in required if isinstance(name, str)}


def _merge(schema: dict[str, Json], parts: list[Json]) -> dict[str, Json]:
    merged = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        if not isinstance(part, dict):
            continue
        for key, value in part.items():
            present = merged.get(key)
            if isinstance(present, dict) and isinstance(value, dict):
                merged[key] = {**present, **value}
            elif isinstance(present, list) and isinstance(value, list):
                merged[key] = [*present, *(item for item in value if item not in present)]
            else:
                merged[key] = value
    return merged


def _type_of(schema: dict[str, Json]) -> Json:
    declared = schema.get("type")
    if isinstance(declared, list):
        return next((name for name in declared if name != "null"), "null")
    if declared is None:
        return "object" if "properties" in schema or "required" in schema or not schema else "string"
    return declared


def _string(schema: dict[str, Json]) -> str:
    text = _FORMATS.get(str(schema.get("format")), "echo")
    shortest = int(min(_bound(schema, "minLength", 0), MAX_CHARS))
    longest = int(_bound(schema, "maxLength", MAX_CHARS))
    return text.ljust(shortest, "o")[: max(shortest, longest)]


def _number(schema: dict[str, Json]) -> float:
    """Return 0 or the value nearest to it that the bounds allow."""
    low = max(_bound(schema, "minimum", -math.inf), _bound(schema, "exclusiveMinimum", -math.inf))
    high = min(_bound(schema, "maximum", math.inf), _bound(schema, "exclusiveMaximum", math.inf))
    value: float = 0
    if low > 0 or ("exclusiveMinimum" in schema and low == 0):
        value = low + 1 if low == _bound(schema, "exclusiveMinimum", -math.inf) else low
        value = value if value <= high else (low + high) / 2
    elif high < 0 or ("exclusiveMaximum" in schema and high == 0):
        value = high - 1 if high == _bound(schema, "exclusiveMaximum", math.inf) else high
        value = value if value >= low else (low + high) / 2
    step = _bound(schema, "multipleOf", 0)
    return math.ceil(value / step) * step if step > 0 else value


def _bound(schema: dict[str, Json], key: str, default: float) -> float:
    value = schema.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default
