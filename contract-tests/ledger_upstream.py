"""An OpenAI-format upstream that keeps books: what it was asked for, and what it told; it knows nothing of the product.

A request is known by its `user`, which the gateway passes on in no other way than it came. Tokens follow from its
number, so that no two requests cost the same. Every `REFUSE_EVERY`th request is refused once, and has to be sent again.
"""

import asyncio
import json
import random
from dataclasses import dataclass

REFUSE_EVERY = 19
MAX_CHUNKS = 12
PAUSE_S = 0.015
JSON_HEAD = "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass
class Call:
    """One request that arrived. `told` once its usage was written to the connection, or its refusal."""

    upstream_id: str
    number: int
    refused: bool
    told: bool = False

    @property
    def prompt_tokens(self) -> int:
        """What it cost."""
        return 1000 + self.number

    @property
    def completion_tokens(self) -> int:
        """What it cost."""
        return 10 + self.number % 97

    @property
    def usage(self) -> dict[str, int]:
        """As the provider tells it."""
        prompt, completion = self.prompt_tokens, self.completion_tokens
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


class LedgerUpstream:
    """The server; runs in the event loop that starts it."""

    def __init__(self, seed: int) -> None:
        self.calls: dict[int, list[Call]] = {}
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Close every connection and take no more."""
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                await self._answer(json.loads(await reader.readexactly(length)), writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._serving.discard(task)

    async def _answer(self, body: dict[str, object], writer: asyncio.StreamWriter) -> None:
        number = int(str(body["user"]).removeprefix("r"))
        earlier = self.calls.setdefault(number, [])
        refused = number % REFUSE_EVERY == 0 and not earlier
        call = Call(f"chatcmpl-{number}-{len(earlier) + 1}", number, refused)
        earlier.append(call)
        if refused:
            await _send_json(writer, "500 Internal Server Error", {"error": {"message": "no", "type": "server_error"}})
        elif body.get("stream"):
            await self._stream(call, writer)
            return
        else:
            await asyncio.sleep(self._random.uniform(0, MAX_CHUNKS * PAUSE_S))
            choice = {"index": 0, "message": {"role": "assistant", "content": "words"}, "finish_reason": "stop"}
            whole = {"object": "chat.completion", "choices": [choice], "usage": call.usage}
            await _send_json(writer, "200 OK", _document(call, whole))
        call.told = True

    async def _stream(self, call: Call, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD)
        for _ in range(self._random.randint(1, MAX_CHUNKS)):
            choice = {"index": 0, "delta": {"role": "assistant", "content": "words "}, "finish_reason": None}
            await _send_event(writer, call, {"choices": [choice]})
            await asyncio.sleep(PAUSE_S)
        await _send_event(writer, call, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        await _send_event(writer, call, {"choices": [], "usage": call.usage})
        call.told = True
        writer.write(_framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()


def _document(call: Call, fields: dict[str, object]) -> dict[str, object]:
    return {"id": call.upstream_id, "created": 1_700_000_000, "model": "bookkeeper", **fields}


async def _send_json(writer: asyncio.StreamWriter, status: str, document: dict[str, object]) -> None:
    data = json.dumps(document).encode()
    writer.write(JSON_HEAD.format(status=status, length=len(data)).encode() + data)
    await writer.drain()


async def _send_event(writer: asyncio.StreamWriter, call: Call, fields: dict[str, object]) -> None:
    document = json.dumps(_document(call, {"object": "chat.completion.chunk", **fields}))
    writer.write(_framed(f"data: {document}\n\n".encode()))
    await writer.drain()


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
