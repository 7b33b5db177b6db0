"""Asks the process that holds answers against schemas, starts it when it is needed and again when it has ended.

One process, one question at a time: a check takes some 100 us. What cannot be answered is unknown, never a failure of
the request: schemas and answers beyond their bounds, a queue that is full, a check that took too long. A schema that
has ended the process is not asked about again. Whether a text is any JSON object needs no process.
"""

import asyncio
import hashlib
import signal
import sys
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Raw, Struct

ANY_OBJECT: Final = b'{"type":"object"}'
"""The schema of those who ask for JSON without one."""
MAX_SCHEMA_BYTES: Final = 256 * 1024
MAX_TEXT_BYTES: Final = 4 * 1024 * 1024
MAX_WAITING: Final = 100
TIMEOUT_S: Final = 5.0
MAX_ENDLESS: Final = 1024
_BY_A_CHECK: Final = frozenset({-signal.SIGALRM, -signal.SIGABRT})  # the end of its time, or of its memory
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_COMMAND: Final = (sys.executable, "-I", "-m", "aqueduct.schema_check.worker")


class Verdict(Struct, frozen=True):
    """Whether all texts follow the schema, None where that is unknown; and why not, for the model alone."""

    valid: bool | None
    reason: str = ""


UNKNOWN: Final = Verdict(None)
_VALID: Final = Verdict(valid=True)
_NO_OBJECT: Final = Verdict(valid=False, reason="The answer is not a valid JSON object.")


class SchemaChecker:
    """Owns the process. `command` is what runs it, without an environment: it needs none of the gateway's secrets."""

    def __init__(self, command: Sequence[str] = _COMMAND, *, timeout_s: float = TIMEOUT_S) -> None:
        self._command = command
        self._timeout_s = timeout_s
        self._process: asyncio.subprocess.Process | None = None
        self._killed: list[asyncio.subprocess.Process] = []
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._endless: OrderedDict[bytes, None] = OrderedDict()

    async def check(self, schema: bytes, texts: Sequence[str]) -> Verdict:
        """Return the verdict on all texts together: the first that is not valid decides."""
        data = [text.encode("utf-8", "replace") for text in texts]
        if len(schema) > MAX_SCHEMA_BYTES or sum(map(len, data)) > MAX_TEXT_BYTES or self._waiting >= MAX_WAITING:
            return UNKNOWN
        if schema == ANY_OBJECT:
            return _all_objects(data)
        if self._endless and _digest(schema) in self._endless:
            return UNKNOWN
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout_s), self._turn:
                for text in data:
                    found = await self._ask(schema, text)
                    if found.valid is not True:
                        return found
        except (TimeoutError, OSError, ValueError):
            return UNKNOWN
        finally:
            self._waiting -= 1
        return _VALID

    async def aclose(self) -> None:
        """End the process, and wait until no process is left."""
        self._discard()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await asyncio.gather(*(process.wait() for process in self._killed))

    async def _ask(self, schema: bytes, text: bytes) -> Verdict:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
            )
        line = b""
        try:
            line = await _exchange(process, b"%d %d\n%b%b" % (len(schema), len(text), schema, text))
            if not line and await process.wait() in _BY_A_CHECK:  # asked before it is killed, which may hide its end
                self._remember(schema)
        finally:
            if not line.endswith(b"\n"):  # it has ended, or is out of step
                self._discard()
        word, _, reason = line.decode("utf-8", "replace").strip().partition(" ")
        match word:
            case "valid":
                return _VALID
            case "invalid":
                return Verdict(valid=False, reason=reason)
            case _:
                return UNKNOWN

    def _remember(self, schema: bytes) -> None:
        """Note a schema whose check has ended the process."""
        self._endless[_digest(schema)] = None
        if len(self._endless) > MAX_ENDLESS:
            self._endless.popitem(last=False)

    def _discard(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with suppress(ProcessLookupError):
            process.kill()
        self._killed = [one for one in self._killed if one.returncode is None] + [process]


async def _exchange(process: asyncio.subprocess.Process, question: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise TypeError
    process.stdin.write(question)
    await process.stdin.drain()
    return await process.stdout.readline()


def _all_objects(texts: Sequence[bytes]) -> Verdict:
    try:
        for text in texts:
            _OBJECT.decode(text)
    except RecursionError:
        return UNKNOWN
    except msgspec.DecodeError:
        return _NO_OBJECT
    return _VALID


def _digest(schema: bytes) -> bytes:
    return hashlib.sha256(schema).digest()
