"""`aqueduct serve` and `aqueduct demo` as processes of their own, as operators and newcomers run them."""

import asyncio
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from gateway_fixtures import Mocks, fresh_database, providers_yaml
from raw_http import Answer, ask, request_bytes
from running_gateway import ENVIRONMENT, ORGANISATION, TOKEN, apply_yaml

from aqueduct.db.cluster import Cluster

START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 40.0
CHAT = "/v1/chat/completions"
_numbers = itertools.count(1)
_LISTENS = re.compile(r"Aqueduct listens on http://127\.0\.0\.1:(\d+)")


class ServingProcess:
    """A gateway's process. What it says goes to files in its folder, which is also where it runs."""

    def __init__(self, command: str, folder: Path, settings: Mapping[str, str], *, own_group: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._stdout, self._stderr = folder / "stdout.log", folder / "stderr.log"
        self.port = 0
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AQUEDUCT_")}
        environment |= ENVIRONMENT | {"AQUEDUCT_PORT": "0"}
        environment |= {f"AQUEDUCT_{name.upper()}": value for name, value in settings.items()}
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "aqueduct", *command.split()],
                cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                start_new_session=own_group,
            )  # fmt: skip

    @property
    def url(self) -> str:
        """Base URL for an SDK."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def stdout(self) -> str:
        """What it has written to standard output so far."""
        return self._stdout.read_text()

    @property
    def stderr(self) -> str:
        """What it has written to standard error so far."""
        return self._stderr.read_text()

    @property
    def output(self) -> str:
        """Everything it has said."""
        return self.stdout + self.stderr

    def wait_ready(self) -> None:
        """Wait until it takes requests."""
        until = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            assert self.process.poll() is None, f"it ended:\n{self.output}"
            assert time.monotonic() < until, f"it does not start:\n{self.output}"
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        found = _LISTENS.search(self.stderr)
        if found is None:
            return False
        self.port = int(found[1])
        try:
            return self.get("/health/ready").status == 200
        except OSError:
            return False

    def get(self, path: str) -> Answer:
        """Ask without a token, on a connection of its own."""
        return ask(self.port, request_bytes(path, method="GET", headers=(("connection", "close"),)))

    def chat(self, text: str, model: str = "echo", *, token: str = TOKEN, **fields: object) -> Answer:
        """Send one message, on a connection of its own."""
        return ask(self.port, chat_request(text, model, token=token, **fields))

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it alone."""
        self.process.send_signal(number)

    def ended(self, timeout_s: float = END_TIMEOUT_S) -> int:
        """Wait for the end; returns the exit code."""
        return self.process.wait(timeout_s)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it with a signal; returns the exit code."""
        self.send(number)
        return self.ended()

    def kill(self) -> None:
        """End it and its workers without a chance to say anything."""
        family = [self.process.pid, *descendants(self.process.pid)]
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(10)


@contextmanager
def serving(
    command: str, folder: Path, *, ready: bool = True, own_group: bool = False, **settings: str
) -> Iterator[ServingProcess]:
    """Start a process with `AQUEDUCT_*` settings; nothing of it is left when the block ends."""
    started = ServingProcess(command, folder, settings, own_group=own_group)
    try:
        if ready:
            started.wait_ready()
        yield started
    finally:
        if started.process.poll() is None:
            try:
                started.stop()
            except subprocess.TimeoutExpired:
                started.kill()
                raise


def chat_request(text: str, model: str = "echo", *, token: str = TOKEN, **fields: object) -> bytes:
    """The bytes of a chat request."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    return request_bytes(CHAT, json.dumps(body).encode(), token=token)


def prepared_database(cluster: Cluster, mocks: Mocks, folder: Path) -> str:
    """Make a database with the standard configuration in front of the mocks; returns its URL."""
    url = fresh_database(cluster, f"process_{next(_numbers)}")
    apply_yaml(url, ORGANISATION + providers_yaml(mocks), folder)
    return url


def fetch(url: str, query: str) -> list[dict[str, object]]:
    """Return the rows of a query."""

    async def run() -> list[dict[str, object]]:
        connection = await asyncpg.connect(url)
        try:
            return [dict(row) for row in await connection.fetch(query)]
        finally:
            await connection.close(timeout=5)

    return asyncio.run(run())


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    found: list[int] = []
    for child in _children(pid):
        found += [child, *descendants(child)]
    return found


def command_line(pid: int) -> str:
    """A process's command line, empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def workers_of(process: ServingProcess) -> list[int]:
    """The workers that have started to serve: they have told the log so."""
    started = {int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", process.stderr)}
    ready = process.stderr.count("Application startup complete")
    alive = [pid for pid in descendants(process.process.pid) if pid in started and command_line(pid)]
    return alive if ready >= len(started) else []


def processes_with(text: str) -> list[int]:
    """Processes whose command line holds a text."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in pids if text in command_line(pid)]


def resident_kb(pid: int) -> int:
    """Resident memory of a process in kB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> float:
    """Wait for a condition; returns how long it took in seconds."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < timeout_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - begun


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
