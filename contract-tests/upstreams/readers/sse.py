"""Plain decoding of recorded bodies into JSON documents; it must not know what the documents mean."""

import json
import re

import msgspec

from upstreams.aws_frames import documents
from upstreams.recordings import Json, JsonObject

LINE_END = re.compile(r"\r\n|\n|\r")


def payloads(body: bytes) -> list[str]:
    """The data of each SSE event, in order; comments and event names are left out, an unfinished last event counts."""
    found: list[str] = []
    lines: list[str] = []
    for line in [*LINE_END.split(body.decode("utf-8")), ""]:
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
        elif not line and lines:
            found.append("\n".join(lines))
            lines = []
    return found


class Decoded(msgspec.Struct, frozen=True):
    """The JSON objects of a body: the one, one per event, or one per array item.

    `done` tells whether a stream ended with `[DONE]`, which is no document.
    """

    documents: list[JsonObject]
    streamed: bool = False
    done: bool = False


def decode(body: bytes, body_kind: str) -> Decoded:
    """Decode a body of kind sse, json, json-array-stream, ndjson or aws-eventstream.

    Raises:
        ValueError: something is no JSON object.
    """
    if body_kind == "aws-eventstream":
        return Decoded(documents(body), streamed=True)
    data = payloads(body) if body_kind == "sse" else []
    if body_kind == "ndjson":
        found = [json.loads(line) for line in body.splitlines() if line.strip()]
    elif data:
        found = [json.loads(text) for text in data if text.strip() != "[DONE]"]
    else:
        whole = json.loads(body)
        found = whole if isinstance(whole, list) else [whole]
    if not all(isinstance(document, dict) for document in found):
        raise ValueError("a document is not a JSON object")
    return Decoded(found, streamed=body_kind != "json", done=bool(data) and data[-1].strip() == "[DONE]")


def arguments(text: str) -> Json:
    """Decoded arguments of a call: empty is an empty object, and what is no JSON stays text."""
    if not text.strip():
        return {}
    try:
        decoded: Json = json.loads(text)
    except ValueError:
        return text
    return decoded


def error_message(document: JsonObject) -> str:
    """What an error body says, in any of the shapes that providers use."""
    error = document.get("error")
    if isinstance(error, dict):
        return str(error.get("message") or "")
    for value in (error, document.get("message"), document.get("detail")):
        if isinstance(value, str):
            return value
    return ""
