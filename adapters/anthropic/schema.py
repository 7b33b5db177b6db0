"""JSON schemas made acceptable to Anthropic's tools and to its constrained decoding; knows no request.

The rules of constrained decoding: https://platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON schema
limitations), the SDK's own rewriting, and recorded refusals; checked 2026-11-24.
"""

from collections.abc import Iterator, Mapping
from typing import Final, cast

import msgspec
from msgspec import Raw, UnsetType

from adapters.errors import UNREADABLE

JsonObject = dict[str, object]
MAX_DEPTH: Final = 48
MAX_OPTIONAL: Final = 23
MAX_UNIONS: Final = 15
EMPTY_INPUT: Final = Raw(b'{"type":"object","properties":{}}')
_DEFINITIONS: Final = ("$defs", "definitions")
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_IGNORED: Final = frozenset({"$schema", "$id", "$comment", "$anchor"})
_TYPES: Final = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_ENCODER: Final = msgspec.json.Encoder()


class NotCarriedError(Exception):
    """The schema says something that constrained decoding cannot hold to."""


class Complexity:
    """Counts what the provider bounds over all constrained schemas of one request."""

    def __init__(self) -> None:
        self.optional = 0
        self.unions = 0

    @property
    def is_too_much(self) -> bool:
        """Whether the provider would refuse to compile the schemas."""
        return self.optional > MAX_OPTIONAL or self.unions > MAX_UNIONS


def decode(raw: Raw | UnsetType) -> JsonObject | None:
    """Return a schema's object; None where it is none (JSON schema also knows `true` and `false`), or bottomless."""
    if isinstance(raw, UnsetType):
        return {}
    try:
        return _object(msgspec.json.decode(raw))
    except UNREADABLE:
        return None


def encode(schema: JsonObject) -> Raw:
    """Return the schema as JSON."""
    return Raw(_ENCODER.encode(schema))


def to_object_root(schema: JsonObject) -> JsonObject | None:
    """Return the schema with an object at its root, as tool inputs need it; None where it describes anything else."""
    reference = schema.get("$ref")
    seen: set[str] = set()
    while isinstance(reference, str) and "type" not in schema:
        target = _resolve(schema, reference)
        if target is None or reference in seen:
            return None
        seen.add(reference)
        schema = {**{key: value for key, value in schema.items() if key != "$ref"}, **target}
        reference = target.get("$ref")
        if reference is not None:
            schema.pop("type", None)
    kind = schema.get("type", "object")
    if kind == "object":
        return schema if "type" in schema else {"type": "object", **schema}
    if isinstance(kind, list) and "object" in kind:
        return {**schema, "type": "object"}
    return None


def to_constrained(schema: JsonObject, complexity: Complexity) -> JsonObject:
    """Return the schema in the subset that constrained decoding takes; raises `NotCarriedError`.

    `oneOf` becomes `anyOf`, objects are closed, and constraints that cannot be enforced move into descriptions.
    """
    if _is_recursive(schema):
        raise NotCarriedError("recursive or external reference")
    return _Rewriter(complexity).rewrite(schema, 0)


class _Rewriter:
    def __init__(self, complexity: Complexity) -> None:
        self._complexity = complexity

    def rewrite(self, schema: object, depth: int) -> JsonObject:
        rest = _object(schema)
        if rest is None or depth > MAX_DEPTH:
            raise NotCarriedError("boolean schema or too deep")
        rest = {key: value for key, value in rest.items() if key not in _IGNORED}
        result: JsonObject = {}
        for key in _DEFINITIONS:
            definitions = _object(rest.pop(key, None))
            if definitions is not None:
                result[key] = {name: self.rewrite(value, depth + 1) for name, value in definitions.items()}
        if "$ref" in rest:
            result["$ref"] = rest["$ref"]
            return result
        for key in ("title", "description"):
            if isinstance(rest.get(key), str):
                result[key] = rest.pop(key)
        self._shape(rest, result, depth)
        if rest:
            _describe(result, rest)
        return result

    def _shape(self, rest: JsonObject, result: JsonObject, depth: int) -> None:
        """Move what says which values are allowed from `rest` into `result`."""
        kind = rest.pop("type", None)
        if isinstance(kind, list):
            self._union([{**rest, "type": one} for one in cast("list[object]", kind)], "anyOf", result, depth)
            rest.clear()
            return
        if _take_literals(rest, result):
            return
        for key, target in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
            variants = rest.pop(key, None)
            if isinstance(variants, list) and variants:
                self._union(cast("list[object]", variants), target, result, depth)
                return
        if kind not in _TYPES:
            raise NotCarriedError("no type")
        result["type"] = kind
        if kind == "object":
            self._object(rest, result, depth)
        elif kind == "array":
            self._array(rest, result, depth)
        elif kind == "string" and rest.get("format") in _FORMATS:
            result["format"] = rest.pop("format")

    def _count(self, *, optional: int = 0, unions: int = 0) -> None:
        """Stop at the bound: what is rewritten once for each type of a union must not multiply at every depth."""
        self._complexity.optional += optional
        self._complexity.unions += unions
        if self._complexity.is_too_much:
            raise NotCarriedError("more than the provider compiles")

    def _union(self, variants: list[object], key: str, result: JsonObject, depth: int) -> None:
        if key == "anyOf":
            self._count(unions=1)
        result[key] = [self.rewrite(variant, depth + 1) for variant in variants]

    def _object(self, rest: JsonObject, result: JsonObject, depth: int) -> None:
        properties = _object(rest.pop("properties", None)) or {}
        additional = rest.pop("additionalProperties", None)
        if _object(additional) or (not properties and additional is not False):
            raise NotCarriedError("an object with free keys")
        required = rest.pop("required", None)
        names = cast("list[object]", required) if isinstance(required, list) else []
        known = {name for name in names if isinstance(name, str)}
        self._count(optional=sum(name not in known for name in properties))
        result["properties"] = {name: self.rewrite(value, depth + 1) for name, value in properties.items()}
        if names:
            result["required"] = names
        result["additionalProperties"] = False

    def _array(self, rest: JsonObject, result: JsonObject, depth: int) -> None:
        if "items" in rest:
            result["items"] = self.rewrite(rest.pop("items"), depth + 1)
        if rest.get("minItems") in (0, 1):
            result["minItems"] = rest.pop("minItems")


def _take_literals(rest: JsonObject, result: JsonObject) -> bool:
    values = rest.get("enum")
    if isinstance(values, list) and values and all(map(_is_scalar, cast("list[object]", values))):
        result["enum"] = rest.pop("enum")
    if "const" in rest and _is_scalar(rest["const"]):
        result["const"] = rest.pop("const")
    return "enum" in result or "const" in result


def _describe(result: JsonObject, constraints: JsonObject) -> None:
    text = "Constraints: " + _ENCODER.encode(constraints).decode()
    given = result.get("description")
    result["description"] = f"{given}\n\n{text}" if isinstance(given, str) and given else text


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _object(value: object) -> JsonObject | None:
    return cast("JsonObject", value) if isinstance(value, dict) else None


def _resolve(schema: JsonObject, reference: str) -> JsonObject | None:
    """Return what a reference such as `#/$defs/Name` points to; None where it leads nowhere or elsewhere."""
    parts = reference.split("/")
    if len(parts) != 3 or parts[0] != "#" or parts[1] not in _DEFINITIONS:
        return None
    definitions = _object(schema.get(parts[1]))
    name = parts[2].replace("~1", "/").replace("~0", "~")
    return _object(definitions.get(name)) if definitions is not None else None


def _is_recursive(schema: JsonObject) -> bool:
    """Return whether a reference leads back to itself, or out of the schema."""
    graph: dict[str, set[str]] = {}
    todo = list(_references(schema, 0))
    while todo:
        reference = todo.pop()
        if reference in graph:
            continue
        target = _resolve(schema, reference)
        if target is None:
            return True
        graph[reference] = set(_references(target, 0))
        todo += graph[reference]
    return _has_cycle(graph)


def _has_cycle(graph: Mapping[str, set[str]]) -> bool:
    """Return whether nodes remain after those without successors are taken away again and again."""
    waiting = {node: len(successors) for node, successors in graph.items()}
    predecessors: dict[str, list[str]] = {node: [] for node in graph}
    for node, successors in graph.items():
        for successor in successors:
            predecessors[successor].append(node)
    ends = [node for node, count in waiting.items() if not count]
    taken = 0
    while ends:
        taken += 1
        for node in predecessors[ends.pop()]:
            waiting[node] -= 1
            if not waiting[node]:
                ends.append(node)
    return taken < len(graph)


def _references(value: object, depth: int) -> Iterator[str]:
    if depth > 4 * MAX_DEPTH:
        raise NotCarriedError("too deep")
    if isinstance(value, dict):
        for key, inner in cast("JsonObject", value).items():
            if key == "$ref" and isinstance(inner, str):
                yield inner
            else:
                yield from _references(inner, depth + 1)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _references(inner, depth + 1)
