"""Loads the recorded provider exchanges and selects among them; it must not know any package of the product."""

import base64
import functools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

# Decoded JSON of foreign shape: the readers and mocks look at it key by key.
JsonObject: TypeAlias = dict[str, Any]
Json: TypeAlias = JsonObject | list[Any] | str | float | bool | None

ROOT = Path(__file__).resolve().parents[2]
STREAMED_BODY_KINDS = frozenset({"sse", "ndjson", "json-array-stream", "aws-eventstream"})

# The wire format that each (api) belongs to; Azure differs from OpenAI in its paths and credentials only.
DIALECTS = {
    "chat.completions": "openai",
    "completions": "openai",
    "embeddings": "openai",
    "messages": "anthropic",
    "generateContent": "google",
    "streamGenerateContent": "google",
    "embedContent": "google",
    "converse": "bedrock",
    "converse-stream": "bedrock",
    "cohere.v2.chat": "cohere",
    "embed": "cohere",
    "ollama.chat": "ollama",
    "predict": "vertex",
    "rawPredict": "vertex",
}


class RecordingsMissingError(RuntimeError):
    """The recordings cannot be read: the contract tests must fail, not skip."""


class Recording(msgspec.Struct, frozen=True):
    """One recorded exchange. `document` is the file's JSON; `body` is what the provider sent, byte for byte."""

    name: str
    provider: str
    api: str
    status: int
    streamed: bool
    body_kind: str
    fidelity: str
    features: frozenset[str]
    conversation: str
    index: int
    of: int
    path: str
    response_headers: tuple[tuple[str, str], ...]
    body: bytes
    document: JsonObject

    @property
    def dialect(self) -> str:
        """Name of the wire format: openai, azure, anthropic, google, ...; "" without a mock."""
        dialect = DIALECTS.get(self.api, "")
        return "azure" if (dialect, self.provider) == ("openai", "azure") else dialect

    @property
    def request_body(self) -> JsonObject:
        """Decoded JSON body of the recorded request; empty where it was not JSON."""
        body = self.document["request"].get("body")
        return body if isinstance(body, dict) else {}

    @property
    def content_type(self) -> str:
        """The recorded content type, or the one that the body's kind implies where the recorder dropped it."""
        for name, value in self.response_headers:
            if name == "content-type":
                return value
        return "text/event-stream" if self.body_kind == "sse" else "application/json"


def recordings_folder() -> Path:
    """Folder of the recordings: $AQUEDUCT_RECORDINGS, else ../shared/recordings beside the repository.

    Raises:
        RecordingsMissingError: the folder or its INDEX.json is not there.
    """
    folder = Path(os.environ.get("AQUEDUCT_RECORDINGS") or ROOT.parent / "shared" / "recordings")
    if not (folder / "INDEX.json").is_file():
        raise RecordingsMissingError(
            f"no recordings in {folder} (INDEX.json is missing): set AQUEDUCT_RECORDINGS to the folder that holds them"
        )
    return folder


def response_body(response: JsonObject) -> bytes:
    """The recorded response body as bytes: decoded JSON is written compactly, text and binary stay as they are."""
    if "body_base64" in response:
        return base64.b64decode(response["body_base64"])
    if "body_text" in response:
        return str(response["body_text"]).encode()
    return json.dumps(response["body"], ensure_ascii=False, separators=(",", ":")).encode()


def load(path: Path) -> Recording:
    """Read one recording file."""
    document = json.loads(path.read_text("utf-8"))
    response = document["response"]
    headers = tuple((str(name).lower(), str(value)) for name, value in response["headers"].items())
    return Recording(
        name=f"{path.parent.name}/{path.stem}",
        provider=document["provider"],
        api=api_of(document),
        status=response["status"],
        streamed=document["body_kind"] in STREAMED_BODY_KINDS or ".stream" in path.name.partition("__")[0],
        body_kind=document["body_kind"],
        fidelity=document["fidelity"],
        features=frozenset(document["features"]),
        conversation=document["conversation"],
        index=document["index"],
        of=document["of"],
        path=document["request"]["path"],
        response_headers=headers,
        body=response_body(response),
        document=document,
    )


def api_of(document: JsonObject) -> str:
    """The recorded api. Two other APIs carry the same name and are told apart by path.

    Those are the messages of OpenAI's assistants, and Ollama's own embeddings.
    """
    api, path = str(document["api"]), document["request"]["path"]
    if api == "messages" and "/threads/" in path:
        return "threads.messages"
    return "ollama.embeddings" if api == "embeddings" and path.startswith("/api/embed") else api


@functools.cache
def all_recordings() -> tuple[Recording, ...]:
    """Every recording, in the index's order: the first N cover best."""
    folder = recordings_folder()
    index = json.loads((folder / "INDEX.json").read_text("utf-8"))
    found = tuple(load(folder / entry["file"]) for entry in index)
    if not found:
        raise RecordingsMissingError(f"the index in {folder} lists no recordings")
    return found


def recordings(
    api: str | None = None,
    *,
    provider: str | None = None,
    streamed: bool | None = None,
    dialect: str | None = None,
    status: int | None = None,
    features: frozenset[str] | set[str] = frozenset(),
) -> list[Recording]:
    """Recordings that match every given criterion; `features` must all be present."""
    wanted = {"api": api, "provider": provider, "streamed": streamed, "dialect": dialect, "status": status}
    criteria = [(name, value) for name, value in wanted.items() if value is not None]
    return [
        recording
        for recording in all_recordings()
        if all(getattr(recording, name) == value for name, value in criteria) and features <= recording.features
    ]


def recording(name: str) -> Recording:
    """The one recording whose name contains `name`; LookupError unless exactly one does."""
    found = [candidate for candidate in all_recordings() if name in candidate.name]
    exact = [candidate for candidate in found if candidate.name == name]
    if len(exact or found) != 1:
        raise LookupError(f"{len(found)} recordings are named like {name!r}")
    return (exact or found)[0]


def conversations(api: str) -> Iterator[list[Recording]]:
    """Multi-turn exchanges of an API, each in order."""
    groups: dict[str, list[Recording]] = {}
    for candidate in recordings(api):
        if candidate.of > 1:
            groups.setdefault(candidate.conversation, []).append(candidate)
    for group in groups.values():
        yield sorted(group, key=lambda item: item.index)


EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


def split_events(body: bytes) -> tuple[bytes, ...]:
    """Cut an SSE body after each event, losing no byte: joined, the parts are the body again."""
    parts: list[bytes] = []
    start = 0
    for end in EVENT_END.finditer(body):
        parts.append(body[start : end.end()])
        start = end.end()
    if start < len(body):
        parts.append(body[start:])
    return tuple(parts)


def reported_errors(provider: str) -> list[JsonObject]:
    """Error answers that public reports quote and no recording holds (429, 529, throttling)."""
    path = recordings_folder() / "_reported_errors" / "errors.json"
    entries: list[JsonObject] = json.loads(path.read_text("utf-8"))
    return [entry for entry in entries if entry["provider"] == provider]
