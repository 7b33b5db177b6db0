"""From a parsed file to a checked `Document`; must not know the database.

Types are checked item by item, so that one run names the first mistake of every item instead of the first of the
file. What holds between items is in `aqueduct.config.rules`.
"""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

import msgspec
from msgspec import Struct

from aqueduct.config import rules
from aqueduct.config.document import (
    NESTED,
    SECTIONS,
    AutoCache,
    Document,
    ExtraParams,
    Metric,
    MultipleAnswers,
    Operation,
    SchemaCheck,
    Section,
    Window,
)
from aqueduct.config.problems import ConfigError, Problem
from aqueduct.config.source import Source, Value, load, parse
from aqueduct.usage.pricing import METERS, TIERS

_LOCATION: Final = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_TYPES: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping of keys",
    "null": "nothing",
}
_CHOICES: Final = {
    "auto_cache": get_args(AutoCache),
    "extra_params": get_args(ExtraParams),
    "multiple_answers": get_args(MultipleAnswers),
    "operations": get_args(Operation),
    "schema_check": get_args(SchemaCheck),
    "metric": get_args(Metric),
    "window": get_args(Window),
    "mode": ("enforce", "shadow"),
    "each": ("subject", "member"),
    "meter": METERS,
    "tier": TIERS,
}


def read(path: Path) -> tuple[Document, Source]:
    """Read and check a file; raises `ConfigError` with everything that is wrong with it."""
    source = load(path)
    return check(source), source


def read_text(file: str, data: bytes) -> tuple[Document, Source]:
    """As `read`, for content that is in memory already; `file` is its name in messages."""
    source = parse(file, data)
    return check(source), source


def check(source: Source) -> Document:
    """Return the document that the values mean; raises `ConfigError`."""
    problems = list(_unknown_sections(source))
    sections: dict[str, tuple[Section, ...]] = {}
    for name, struct in SECTIONS.items():
        value = source.root.get(name)
        if isinstance(value, list):
            sections[name] = tuple(_items(source, name, struct, value, problems))
        elif value is not None:
            problems.append(source.problem(name, f"must be a list of items that begin with `-`, is {_kind(value)}"))
    if not problems:
        document = msgspec.convert(sections, Document)
        problems.extend(rules.problems(document, source))
        if not problems:
            return document
    raise ConfigError(source.file, tuple(sorted(problems, key=lambda problem: problem.line)))


def _unknown_sections(source: Source) -> Iterator[Problem]:
    for key in source.root:
        if key not in SECTIONS:
            yield source.problem(key, unknown_key(key, tuple(SECTIONS)))


def _items(
    source: Source, section: str, struct: type[Section], values: list[Value], problems: list[Problem]
) -> Iterator[Section]:
    for index, value in enumerate(values):
        try:
            yield msgspec.convert(value, struct)
        except msgspec.ValidationError as error:
            problems.append(_explain(source, f"{section}[{index}]", value, str(error)))


def _explain(source: Source, item: str, value: Value, message: str) -> Problem:
    """Turn a message of msgspec into a problem that says what to do."""
    match = _LOCATION.fullmatch(message)
    what, inner = (message, "") if match is None else (match["what"], match["path"] or "")
    path = item + _inner_path(value, inner)
    if named := re.fullmatch(r"Object contains unknown field `(?P<name>.*)`", what, re.DOTALL):
        return source.problem(f"{path}.{named['name']}", unknown_key(named["name"], _keys_at(path)))
    if named := re.fullmatch(r"Object missing required field `(?P<name>.*)`", what):
        return source.problem(path, f"the key '{named['name']}' is missing")
    if named := re.fullmatch(r"Invalid enum value '(?P<value>.*)'", what, re.DOTALL):
        return source.problem(path, f"'{named['value'][:60]}' is not one of {_choices(path)}")
    if named := re.fullmatch(r"Expected `(?P<wanted>.*?)`, got `(?P<got>.*?)`(?P<rest>.*)", what):
        quote = "; put quotes around it" if "str" in named["wanted"].split(" | ") else ""
        if named["got"] in {"array", "object"}:
            quote = ""
        return source.problem(path, f"must be {_type_names(named['wanted'])}, is {_type_names(named['got'])}{quote}")
    return source.problem(path, what)


def _inner_path(item: Value, inner: str) -> str:
    """Replace `[...]`, by which msgspec means some value of a mapping, by the first key whose value is no text."""
    if not inner.endswith("[...]"):
        return inner
    path = inner.removesuffix("[...]")
    mapping = item.get(path.removeprefix(".")) if isinstance(item, dict) else None
    keys = [key for key, value in mapping.items() if not isinstance(value, str)] if isinstance(mapping, dict) else []
    return f"{path}.{keys[0]}" if keys else path


def unknown_key(key: str, known: tuple[str, ...]) -> str:
    """Return the reason for refusing a key, with the likely meaning or all that is known."""
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
    return f"unknown key '{key[:60]}'; {hint}"


def _struct_at(path: str) -> type[Struct]:
    """Return the Struct of the mapping at `path`: nested ones have unique names."""
    name = re.sub(r"\[\d+\]", "", path).rpartition(".")[2]
    return NESTED.get(name) or SECTIONS[name]


def _keys_at(path: str) -> tuple[str, ...]:
    return _struct_at(path).__struct_fields__


def _choices(path: str) -> str:
    name = re.sub(r"\[\d+\]$", "", path).rpartition(".")[2]
    return ", ".join(_CHOICES.get(name, ()))


def _type_names(names: str) -> str:
    return " or ".join(_TYPES.get(name, name) for name in names.split(" | ") if name != "null" or names == "null")


def _kind(value: Value) -> str:
    if isinstance(value, bool):
        return _TYPES["bool"]
    if isinstance(value, list):
        return _TYPES["array"]
    if isinstance(value, dict):
        return _TYPES["object"]
    return _TYPES[type(value).__name__]
