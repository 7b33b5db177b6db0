"""Rewrites of a server-sent event stream that must not, or must, change what it says; knows no payloads."""

from collections.abc import Iterator, Sequence
from typing import Final

MAX_SPLITS: Final = 48
COMMENT: Final = b": keep-alive\n\n"


def events(stream: bytes) -> list[bytes]:
    """Return the events of a stream, each with the blank line that ends it."""
    text = stream.replace(b"\r\n", b"\n")
    return [block + b"\n\n" for block in text.split(b"\n\n") if block.strip()]


def same_meaning(stream: bytes) -> Iterator[tuple[str, Sequence[bytes]]]:
    """Yield how the same stream may arrive: a description and what each read returns."""
    text = b"".join(events(stream))
    crlf = text.replace(b"\n", b"\r\n")
    yield "every byte by itself", [text[i : i + 1] for i in range(len(text))]
    yield "CRLF line ends", [crlf]
    yield "CRLF line ends, every byte by itself", [crlf[i : i + 1] for i in range(len(crlf))]
    yield "comments between the events", [COMMENT, COMMENT.join(events(text)), COMMENT]
    yield "no blank line after the last event", [text.rstrip(b"\n")]
    yield "a byte order mark", [b"\xef\xbb\xbf" + text]
    yield "no blank after 'data:'", [text.replace(b"\ndata: ", b"\ndata:").replace(b"data: ", b"data:", 1)]
    step = max(1, len(text) // MAX_SPLITS)
    for cut in range(1, len(text), step):
        yield f"two reads, cut at byte {cut}", [text[:cut], text[cut:]]


def truncated(stream: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield every proper prefix that ends with an event, and some that end inside one."""
    blocks = events(stream)
    for count in range(len(blocks)):
        whole = b"".join(blocks[:count])
        yield f"the stream ends after {count} of {len(blocks)} events", whole
        yield f"the stream ends inside event {count + 1}", whole + blocks[count][: len(blocks[count]) // 2]


def with_event(stream: bytes, event: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the stream with one event more, before each of its events."""
    blocks = events(stream)
    for position in range(len(blocks)):
        yield f"before event {position + 1}", b"".join([*blocks[:position], event, *blocks[position:]])


def malformed(stream: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the stream with one event's data broken, in several ways for each event."""
    blocks = events(stream)
    for position, block in enumerate(blocks):
        head, mark, data = block.partition(b"data:")
        data = data.rstrip(b"\n")
        for what, broken in (
            ("cut JSON", data[: len(data) // 2]),
            ("no JSON", b" <html>502 Bad Gateway</html>"),
            ("invalid UTF-8", data.replace(b'"', b'"\xff\xfe')),
            ("another type", b" [1, 2]"),
            ("null", b" null"),
            ("an empty object", b" {}"),
            ("nesting without end", b" " + b'{"a":' * 5000),
            ("numbers as texts", _numbers_as_texts(data)),
        ):
            changed = [*blocks[:position], head + mark + broken + b"\n\n", *blocks[position + 1 :]]
            yield f"event {position + 1}: {what}", b"".join(changed)


def mutated(data: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield the bytes with one changed, at `count` places evenly spread."""
    for number in range(min(count, len(data))):
        position = number * len(data) // count
        value = b'"{}[],:0x\x00\xff'[number % 10]
        yield f"byte {position} is {value:#x}", data[:position] + bytes([value]) + data[position + 1 :]


def _numbers_as_texts(data: bytes) -> bytes:
    return b"".join(b'"x"' if chr(byte).isdigit() else bytes([byte]) for byte in data)
