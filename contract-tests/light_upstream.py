"""An OpenAI-format upstream that costs next to nothing, for load: its own process, started by `light_upstream()`.

Every request gets a stream of `CHUNKS` chunks, one every `PAUSE_S` seconds. On standard input it takes the word
`open`, and tells how many connections are open.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNKS = 40
PAUSE_S = 0.25
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    document = {
        "id": "chatcmpl-light",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "light",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return framed(b"data: %b\n\n" % json.dumps(document).encode())


def framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


USAGE = framed(
    b'data: {"id":"chatcmpl-light","object":"chat.completion.chunk","created":1700000000,"model":"light","choices":[],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":40,"total_tokens":49}}\n\n'
)
STEPS = (
    HEAD + chunk({"role": "assistant", "content": ""}) + chunk({"content": "word "}),
    *(chunk({"content": "word "}) for _ in range(CHUNKS - 1)),
    chunk({}, "stop") + USAGE + framed(b"data: [DONE]\n\n") + b"0\r\n\r\n",
)


class Connection(asyncio.Protocol):
    """Answers each request, whose end it finds by its content-length."""

    open = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""
        Connection.open += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        Connection.open -= 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(rest) >= length:
            self.buffer = b""
            self.step(0)

    def step(self, number: int) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(STEPS[number])
        if number + 1 < len(STEPS):
            asyncio.get_running_loop().call_later(PAUSE_S, self.step, number + 1)


class LightUpstream:
    """The running process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._ask(""))

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        return int(self._ask("open\n"))

    def _ask(self, question: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(question)
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def light_upstream() -> Iterator[LightUpstream]:
    """Run it until the block ends."""
    command = [sys.executable, str(Path(__file__))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield LightUpstream(process)
        finally:
            process.kill()


async def main() -> None:
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(Connection, "127.0.0.1", 0, backlog=2048)
    print(listener.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - how the parent learns it
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(Connection.open, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    asyncio.run(main())
