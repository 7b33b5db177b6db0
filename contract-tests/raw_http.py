"""A client of plain bytes, for requests that no SDK would send; knows nothing of the product."""

import json
import socket
from typing import Self

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """An answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """The body as JSON."""
        decoded: dict[str, object] = json.loads(self.body)
        return decoded

    def error(self) -> dict[str, object]:
        """The error object, held to its one form."""
        error = self.json()["error"]
        assert isinstance(error, dict)
        assert set(error) == {"message", "type", "param", "code"}
        assert isinstance(error["message"], str)
        assert error["message"]
        assert isinstance(error["type"], str)
        assert error["code"] is None or isinstance(error["code"], str)
        return error


class Connection:
    """One connection, closed with the block."""

    def __init__(self, port: int, timeout_s: float = 15.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def read_until(self, mark: bytes) -> bytes:
        """Return what arrives up to and with `mark`; the rest is kept."""
        while mark not in self._buffer:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"closed after {self._buffer[:200]!r}")
            self._buffer += data
        end = self._buffer.index(mark) + len(mark)
        found, self._buffer = self._buffer[:end], self._buffer[end:]
        return found

    def answer(self) -> Answer:
        """Read one whole answer."""
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return Answer(int(lines[0].split()[1]), headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            length = int(headers.get("content-length", "0"))
            while len(self._buffer) < length:
                self._buffer += self.socket.recv(65536)
            body, self._buffer = self._buffer[:length], self._buffer[length:]
            return body
        pieces: list[bytes] = []
        while size := int(self.read_until(b"\r\n"), 16):
            while len(self._buffer) < size + 2:
                self._buffer += self.socket.recv(65536)
            pieces.append(self._buffer[:size])
            self._buffer = self._buffer[size + 2 :]
        self.read_until(b"\r\n")
        return b"".join(pieces)


def request_bytes(
    path: str,
    body: bytes = b"",
    *,
    token: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    method: str = "POST",
    content_type: str | None = "application/json",
) -> bytes:
    """Encode a request; `headers` may repeat and contradict."""
    lines = [f"{method} {path} HTTP/1.1", "host: gateway"]
    if token is not None:
        lines.append(f"authorization: Bearer {token}")
    if content_type is not None and method == "POST":
        lines.append(f"content-type: {content_type}")
    if method == "POST" and not any(name == "transfer-encoding" for name, _ in headers):
        lines.append(f"content-length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def ask(port: int, data: bytes, timeout_s: float = 15.0) -> Answer:
    """Send one request on a connection of its own and return the answer."""
    with Connection(port, timeout_s) as connection:
        connection.send(data)
        return connection.answer()
