"""Checks a request body against the types of a provider's SDK; it must not know any provider."""

from collections.abc import Iterator, Mapping
from typing import Any

import pydantic

# A place in a body, as keys and positions.
Path = tuple[str | int, ...]


class MisfitError(Exception):
    """A list's item has the wrong shape."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(path, text)
        self.path = path
        self.text = text


def shape_problem(
    adapter: "pydantic.TypeAdapter[Any]", value: object, opaque: frozenset[str] = frozenset()
) -> tuple[Path, str] | None:
    """Where and how a value differs from the type: the first wrong or missing field, else the first unknown one.

    Below `opaque` fields anything goes.
    """
    try:
        accepted = forced(adapter.validate_python(value), ())
    except pydantic.ValidationError as error:
        return first_place(error)
    except MisfitError as misfit:
        return misfit.path, misfit.text
    places = unknown_fields(value, accepted, ())
    unknown = next((place for place in places if not opaque.intersection(place)), None)
    return None if unknown is None else (unknown, "Extra inputs are not permitted")


def forced(value: object, path: Path) -> object:
    """The validated value with its lists evaluated, which pydantic validates on demand.

    Raises:
        MisfitError: an item of such a list has the wrong shape.
    """
    if isinstance(value, Mapping):
        return {key: forced(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, Iterator):
        try:
            value = list(value)
        except pydantic.ValidationError as error:
            place, text = first_place(error)
            raise MisfitError(path + place, text) from error
    if isinstance(value, list | tuple):
        return [forced(item, (*path, position)) for position, item in enumerate(value)]
    return value


def first_place(error: pydantic.ValidationError) -> tuple[Path, str]:
    """The first error of the union member that fits best, its place without pydantic's own words."""
    by_member: dict[Path, list[tuple[Path, str]]] = {}
    for entry in error.errors(include_url=False, include_context=False, include_input=False):
        member = tuple(step for step in entry["loc"] if is_type_name(step))
        place = tuple(step for step in entry["loc"] if not is_type_name(step))
        by_member.setdefault(member, []).append((place, entry["msg"]))
    # A wrong tag speaks against a member more than a missing field does.
    return min(
        by_member.values(), key=lambda found: (any("Input should be '" in text for _, text in found), len(found))
    )[0]


def is_type_name(step: str | int) -> bool:
    """Whether a step of pydantic's place names a type and no field."""
    return isinstance(step, str) and (step[:1].isupper() or "[" in step or step in {"str", "int", "float", "bool"})


def unknown_fields(given: object, accepted: object, path: Path) -> Iterator[Path]:
    """Places of fields that the type did not keep."""
    if isinstance(given, Mapping) and isinstance(accepted, Mapping):
        for key, item in given.items():
            if key not in accepted:
                yield (*path, key)
            else:
                yield from unknown_fields(item, accepted[key], (*path, key))
    elif isinstance(given, list) and isinstance(accepted, list):
        for position, (item, kept) in enumerate(zip(given, accepted, strict=True)):
            yield from unknown_fields(item, kept, (*path, position))
