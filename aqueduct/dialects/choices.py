"""The values among which a field of a request chooses, for the text of its refusal; knows no operation."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from msgspec import inspect

MAX_CHOICES: Final = 32
_STEP: Final = re.compile(r"[^.\[\]]+|\[[^\]]*\]")


def choices(request_type: type, path: str) -> tuple[str, ...]:
    """Return the texts that may stand at a JSON path (`tools[0].type`), none where they are no closed list."""
    found: list[inspect.Type | str] = [_type_info(request_type)]
    for step in _STEP.findall(path):
        found = [below for one in found for below in _below(one, step)]
    values = dict.fromkeys(value for one in found for value in _values(one))
    return tuple(values) if len(values) <= MAX_CHOICES else ()


@lru_cache(maxsize=32)
def _type_info(request_type: type) -> inspect.Type:
    return inspect.type_info(request_type)


def _below(one: inspect.Type | str, step: str) -> Iterator[inspect.Type | str]:
    """Yield the types at one step below a type; a tag is the text that it is."""
    for member in _members(one):
        if isinstance(member, inspect.StructType):
            if member.tag_field == step:
                yield str(member.tag)
            yield from (field.type for field in member.fields if field.encode_name == step)
        elif step.startswith("[") and isinstance(member, inspect.CollectionType):
            yield member.item_type
        elif isinstance(member, inspect.DictType):
            yield member.value_type


def _members(one: inspect.Type | str) -> Iterable[inspect.Type | str]:
    if isinstance(one, inspect.Metadata):
        return _members(one.type)
    return one.types if isinstance(one, inspect.UnionType) else (one,)


def _values(one: inspect.Type | str) -> Iterator[str]:
    for member in _members(one):
        if isinstance(member, str):
            yield member
        elif isinstance(member, inspect.LiteralType):
            yield from (value for value in member.values if isinstance(value, str))
