"""A provider that costs next to nothing: precomputed OpenAI-format answers; must not know which gateway asks.

A prompt with `-burst-` gets its chunks in one write, one with `-slow-` a chunk each 0.4 s, any other one each 20 ms.
"""

import asyncio
import json
import sys
from typing import Final, cast

import uvloop

CHUNKS: Final = 50
INTERVAL_S: Final = 0.02
SLOW_INTERVAL_S: Final = 0.4
MAX_REQUEST_BYTES: Final = 64 * 1024 * 1024
_USAGE: Final = {"prompt_tokens": 200, "completion_tokens": 150, "total_tokens": 350}
_ID: Final = {"id": "chatcmpl-bench", "created": 1_700_000_000, "model": "gpt"}


def answer() -> bytes:
    """Return the unstreamed answer, of about 1 kB, with its head."""
    message = {"role": "assistant", "content": "x" * 700, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    body = json.dumps({**_ID, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _framed(data: str) -> bytes:
    event = f"data: {data}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _framed(json.dumps({**_ID, "object": "chat.completion.chunk", "choices": [choice]}))


def stream() -> tuple[bytes, ...]:
    """Return the framed chunks of a stream; the last one ends it."""
    usage = json.dumps({**_ID, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
    first, last = _chunk({"role": "assistant", "content": ""}), _chunk({}, "stop")
    end = _framed(usage) + _framed("[DONE]") + b"0\r\n\r\n"
    return (first, *[_chunk({"content": "token "})] * (CHUNKS - 2), last + end)


ANSWER: Final = answer()
STREAM: Final = stream()
BURST: Final = b"".join(STREAM)
STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


class Provider(asyncio.Protocol):
    """One connection; requests on it are answered one after another."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """End what runs."""
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._data[:end]).lower()
        if b"transfer-encoding: chunked" in head:
            total = self._data.find(b"0\r\n\r\n", end + 4)
            total = total + 5 if total >= 0 else MAX_REQUEST_BYTES
        else:
            mark = head.find(b"content-length:")
            total = end + 4 + (int(head[mark + 15 :].split(b"\r\n", 1)[0]) if mark >= 0 else 0)
        if len(self._data) < total:
            return
        body = bytes(self._data[end + 4 : total])
        del self._data[:total]
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        if not (b'"stream":true' in body or b'"stream": true' in body):
            self._transport.write(ANSWER)
        elif b"-burst-" in body:
            self._transport.write(STREAM_HEAD + BURST)
        else:
            self._transport.write(STREAM_HEAD)
            self._send(0, SLOW_INTERVAL_S if b"-slow-" in body else INTERVAL_S)

    def _send(self, index: int, interval_s: float) -> None:
        self._transport.write(STREAM[index])
        if index + 1 < len(STREAM):
            self._timer = asyncio.get_running_loop().call_later(interval_s, self._send, index + 1, interval_s)


async def main(port: int) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
