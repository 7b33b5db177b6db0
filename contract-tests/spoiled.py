"""Makes answers that no provider should give out of those that one gave; knows nothing of the product."""

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from upstreams.aws_frames import frame, read_frames

Json = object
Path = tuple[str | int, ...]
WRONGS: tuple[Json, ...] = ({"odd": 1}, [1], "odd", -1.5, None, True)
"""One value of each type of JSON."""


class Opened(NamedTuple):
    """One event of a stream: what it says, what kind of event it is, and how another payload looks in its place."""

    document: Json
    kind: str
    closed: Callable[[Json], bytes]


def opened(event: bytes, body_kind: str) -> Opened | None:
    """Open an event; None where it carries no JSON, as the end mark of SSE."""
    if body_kind == "aws-eventstream":
        (read,) = read_frames(event)
        return Opened(json.loads(read.payload), read.name, lambda payload: frame(read.name, payload, read.kind))
    if body_kind == "ndjson":
        return Opened(json.loads(event), "", lambda payload: json.dumps(payload).encode() + b"\n")
    head, mark, data = event.rpartition(b"data:")
    if not mark or not data.strip().startswith(b"{"):
        return None
    document = json.loads(data)
    kind = str(document.get("type", ""))
    return Opened(document, kind, lambda payload: head + mark + b" " + json.dumps(payload).encode() + b"\n\n")


def paths(document: Json, path: Path = ()) -> Iterator[Path]:
    """Every place in a document, the whole of it first."""
    yield path
    if isinstance(document, dict):
        for name, value in document.items():
            yield from paths(value, (*path, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from paths(value, (*path, index))


def at(document: Json, path: Path) -> Json:
    """What stands at a place."""
    for step in path:
        document = document[step]  # type: ignore[index]  # the path was made from the document
    return document


def spoiled(document: Json, path: Path, wrong: Json) -> Json:
    """The document with something else at a place."""
    if not path:
        return wrong
    head, *rest = path
    if isinstance(document, dict):
        return {name: spoiled(value, (*rest,), wrong) if name == head else value for name, value in document.items()}
    assert isinstance(document, list)
    return [spoiled(value, (*rest,), wrong) if index == head else value for index, value in enumerate(document)]


def wrongs(document: Json, path: Path) -> list[Json]:
    """Values of other types than the one that stands at a place."""
    value = at(document, path)
    return [wrong for wrong in WRONGS if type(wrong) is not type(value)]


def changed(document: Json, change: Callable[[str, Json], Json], name: str = "") -> Json:
    """The document with each leaf as `change` makes it of name and value."""
    if isinstance(document, dict):
        return {key: changed(value, change, key) for key, value in document.items()}
    if isinstance(document, list):
        return [changed(value, change, name) for value in document]
    return change(name, document)


def shape(path: Path) -> tuple[str, ...]:
    """The place, whichever entry of a list it is in: `("choices", "#", "index")`."""
    return tuple("#" if isinstance(step, int) else step for step in path)
