"""Reads bounded YAML into plain values that know their lines; must not know what the values mean.

YAML is narrowed to what a configuration needs: one document, UTF-8, no tags, decimal numbers, `true` and `false`.
Anchors, aliases and merge keys work, and how much they may expand to is bounded.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from aqueduct.config.problems import ConfigError, Problem

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_NODES: Final = 200_000
MAX_DEPTH: Final = 20

Value = str | int | float | bool | list["Value"] | dict[str, "Value"] | None
Lines = dict[str, int]

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = _TAG + "merge"
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_NUMBER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?(?:[eE][-+]?[0-9]{1,2})?")


class Source:
    """A parsed file: its values, and the line of each by its path."""

    def __init__(self, file: str, root: dict[str, Value], lines: Lines) -> None:
        self.file = file
        self.root = root
        self._lines = lines

    def line(self, path: str) -> int:
        """Return the line of the value at `path`, or of the nearest value around it."""
        while path and path not in self._lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._lines.get(path, 1)

    def problem(self, path: str, reason: str) -> Problem:
        """Return a problem at the line of `path`."""
        return Problem(self.line(path), path, reason)


def load(path: Path) -> Source:
    """Read a file, at most `MAX_BYTES` of it; raises `ConfigError`."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refusal(str(path), 1, f"cannot be read: {error.strerror or type(error).__name__}") from error
    return parse(str(path), data)


def parse(file: str, data: bytes) -> Source:
    """Parse the content of `file`; raises `ConfigError`."""
    text = _decode(file, data)
    try:
        _measure(file, text)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise _syntax(file, error) from error
    if node is None:
        raise _refusal(file, 1, "the file is empty; a section such as `models:` is expected")
    if not isinstance(node, yaml.MappingNode):
        raise _refusal(file, _line(node), "the file must hold keys such as `models:`, not a list or a text")
    builder = _Builder(file)
    return Source(file, builder.mapping(node, "", 1), builder.lines)


def _decode(file: str, data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _refusal(file, 1, f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB; split it into several")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refusal(file, line, "the file is not UTF-8; save it with that encoding") from error
    for number, row in enumerate(text.splitlines(), 1):
        if "\t" in row[: len(row) - len(row.lstrip())]:
            raise _refusal(file, number, "the line is indented with a tab; YAML wants spaces")
    return text


def _measure(file: str, text: str) -> None:
    """Refuse what would be deep, long or several documents, before anything recursive sees it."""
    depth = documents = 0
    for nodes, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        if depth > MAX_DEPTH:
            raise _refusal(file, line, f"nested deeper than {MAX_DEPTH} levels")
        if nodes > MAX_NODES:
            raise _refusal(file, line, f"more than {MAX_NODES} values; split the file into several")
        if documents > 1:
            raise _refusal(file, line, "a second YAML document begins here; one file holds one document")


class _Builder:
    """Turns nodes into values; aliases are expanded, counted and bounded."""

    def __init__(self, file: str) -> None:
        self.lines: Lines = {}
        self._file = file
        self._nodes = 0

    def mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Value]:
        """Return the mapping without its keys that have no value; an explicit key wins over a merged one."""
        values: dict[str, Value] = {}
        seen: set[str] = set()
        merged: list[yaml.MappingNode] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged.extend(self._merged(value_node))
                continue
            key = self._key(key_node)
            where = f"{path}.{key}" if path else key
            if key in seen:
                raise _refusal(self._file, _line(key_node), f"the key '{_shown(key)}' stands here twice")
            seen.add(key)
            self.lines[where] = _line(key_node)
            value = self._value(value_node, where, depth + 1)
            if value is not None:
                values[key] = value
        for index, base in enumerate(merged):
            self._count(base, depth + 1)
            inherited = self.mapping(base, f"{path}.<<{index}", depth + 1)
            values = {**inherited, **values}
        return values

    def _merged(self, node: yaml.Node) -> Iterator[yaml.MappingNode]:
        for base in node.value if isinstance(node, yaml.SequenceNode) else (node,):
            if not isinstance(base, yaml.MappingNode):
                raise _refusal(self._file, _line(node), "`<<` needs an alias of a mapping")
            yield base

    def _key(self, node: yaml.Node) -> str:
        if isinstance(node, yaml.ScalarNode) and node.tag == _TAG + "str" and len(node.value) <= 200:
            return str(node.value)
        raise _refusal(self._file, _line(node), "a key must be a text; put quotes around it if it looks like a number")

    def _value(self, node: yaml.Node, path: str, depth: int) -> Value:
        self._count(node, depth)
        self.lines.setdefault(path, _line(node))
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self.mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self._value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        raise self._tagged(node)

    def _count(self, node: yaml.Node, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise _refusal(self._file, _line(node), "the aliases expand to too much; write the values out")

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Value:
        text = str(node.value)
        match node.tag.removeprefix(_TAG):
            case "str" | "timestamp":
                return text
            case "null":
                return None
            case "bool" if text.lower() in {"true", "false"}:
                return text.lower() == "true"
            case "bool":
                reason = f"'{text}' is ambiguous in YAML; write true or false, or put quotes around a text"
            case "int" if _INTEGER.fullmatch(text):
                return int(text)
            case "float" if _NUMBER.fullmatch(text):
                return float(text)
            case "int" | "float":
                reason = "the value is no plain decimal number; put quotes around a text"
            case _:
                raise self._tagged(node)
        raise ConfigError(self._file, (Problem(_line(node), path, reason),))

    def _tagged(self, node: yaml.Node) -> ConfigError:
        return _refusal(self._file, _line(node), "YAML tags (`!...`) are not allowed; write plain values")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _shown(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"


def _refusal(file: str, line: int, reason: str) -> ConfigError:
    return ConfigError(file, (Problem(line, "", reason),))


def _syntax(file: str, error: yaml.YAMLError) -> ConfigError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
    line = 1 if mark is None else int(mark.line) + 1
    return _refusal(file, line, f"no valid YAML: {reason}")
