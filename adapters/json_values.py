"""JSON of a shape that nobody knows beforehand, and the places in it that `$ref` points to; knows no provider."""

from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def pointed_to(root: Json, reference: str) -> dict[str, Json]:
    """Return the schema in `root` that a reference such as `#/$defs/a` names; the empty one where there is none."""
    found: Json = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part:
            found = _member(found, part.replace("~1", "/").replace("~0", "~"))
    return found if isinstance(found, dict) else {}


def _member(value: Json, key: str) -> Json:
    return value.get(key) if isinstance(value, dict) else None
