"""Values that cross the mock servers' wire; it must not know any dialect."""

import json
from urllib.parse import parse_qs, urlsplit

import msgspec

from upstreams.aws_frames import CONTENT_TYPE, split_frames
from upstreams.recordings import JsonObject, Recording, split_events

Headers = tuple[tuple[str, str], ...]

# The server frames and compresses by itself, so these are never copied from a recording.
FRAMING_HEADERS = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})


class Request(msgspec.Struct, frozen=True):
    """One received request; header names are lower case."""

    method: str
    target: str
    headers: Headers
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        """Target without the query, percent escapes kept."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """Decoded query parameters, empty values included."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def header(self, name: str) -> str | None:
        """The header's value, or None; repeated headers are joined by a comma as HTTP says."""
        values = [value for key, value in self.headers if key == name.lower()]
        return ", ".join(values) if values else None

    def json(self) -> JsonObject:
        """The body as a JSON object; ValueError if it is none."""
        document = json.loads(self.body)
        if not isinstance(document, dict):
            raise ValueError("the request body is not a JSON object")  # noqa: TRY004 (a bad value, as json's own error)
        return document


class Reply(msgspec.Struct, frozen=True):
    """One response. `parts` joined are the body; streamed replies carry one event per part."""

    status: int = 200
    headers: Headers = ()
    parts: tuple[bytes, ...] = ()
    streamed: bool = False

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.parts)


def json_reply(document: object, status: int = 200, headers: Headers = ()) -> Reply:
    """A JSON response, sent with a content-length."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(status=status, headers=(("content-type", "application/json"), *headers), parts=(body,))


def sse_reply(events: tuple[bytes, ...], headers: Headers = ()) -> Reply:
    """A 200 event stream, sent chunked, one chunk per event."""
    content_type = ("content-type", "text/event-stream; charset=utf-8")
    return Reply(headers=(content_type, ("cache-control", "no-cache"), *headers), parts=events, streamed=True)


def data_event(document: object, event: str | None = None) -> bytes:
    """One SSE event with a JSON payload."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(document, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def frames_reply(frames: tuple[bytes, ...], headers: Headers = ()) -> Reply:
    """A 200 stream of AWS's messages, sent chunked, one chunk per message."""
    return Reply(headers=(("content-type", CONTENT_TYPE), *headers), parts=frames, streamed=True)


def recorded_reply(recording: Recording) -> Reply:
    """The recorded response, byte for byte; event streams are sent event by event.

    A stream that was recorded as a JSON array is sent as events, which is what Google answers to `alt=sse`.
    """
    headers = tuple((name, value) for name, value in recording.response_headers if name not in FRAMING_HEADERS)
    if not any(name == "content-type" for name, _ in headers):
        headers = (("content-type", recording.content_type), *headers)
    if recording.body_kind == "json-array-stream" and recording.status == 200:
        events = (data_event(item).replace(b"\n", b"\r\n") for item in json.loads(recording.body))
        return sse_reply(tuple(events))
    if recording.body_kind == "aws-eventstream":
        return Reply(recording.status, headers, split_frames(recording.body), streamed=True)
    if recording.body_kind == "sse":
        return Reply(recording.status, headers, split_events(recording.body), streamed=True)
    return Reply(recording.status, headers, (recording.body,), streamed=recording.streamed and recording.status == 200)


def reported_reply(entry: JsonObject) -> Reply:
    """An error answer that a public report quotes; one inside a stream is the stream's only event."""
    headers = tuple((str(name).lower(), str(value)) for name, value in (entry.get("headers") or {}).items())
    if "body_text" in entry:
        return sse_reply(split_events(str(entry["body_text"]).encode()), headers)
    own = tuple(header for header in headers if header[0] != "content-type")
    return json_reply(entry["body"], entry["status"], own)
