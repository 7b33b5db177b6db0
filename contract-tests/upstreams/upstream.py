"""A provider's mock: a server that answers in one dialect, from a script of recordings or live, and keeps a ledger."""

import threading
from collections.abc import Callable

import msgspec

from upstreams.dialects.base import SCRIPTED, Answer, Call, Dialect, RefusedError
from upstreams.faults import NO_FAULT, Fault, plan
from upstreams.reading import Usage
from upstreams.recordings import Recording
from upstreams.server import Exchange, Server
from upstreams.wire import Reply, Request, recorded_reply

# None asks for the live answer, so that a fault can be put on it.
Source = Recording | Reply | Callable[[Call], Reply] | None


class Scripted(msgspec.Struct, frozen=True):
    """One answer to give, for one operation or for any that takes scripts."""

    source: Source
    fault: Fault = NO_FAULT
    operation: str | None = None


class Entry(msgspec.Struct, frozen=True):
    """One answered request: what was asked, what was planned, and the usage that a complete answer reports.

    `usage` is that of live answers; for a recording read `recording` with the readers.
    """

    call: Call
    status: int
    usage: Usage | None
    recording: Recording | None
    exchange: Exchange


class Upstream(Server):
    """Serves a dialect. With an empty script it answers live.

    `problems` lists what no provider would do: requests that do not fit the recording that was to be replayed, and
    failures of the mock itself. Tests assert that it is empty.
    """

    def __init__(self, dialect: Dialect, *, validate: bool = True) -> None:
        super().__init__()
        self.dialect = dialect
        self.validate = validate
        self.ledger: list[Entry] = []
        self.refused: list[Exchange] = []
        self._script: list[Scripted] = []
        self._always: Scripted | None = None
        self._lock = threading.Lock()

    def script(self, *sources: Source, fault: Fault = NO_FAULT, operation: str | None = None) -> None:
        """Queue answers, used up in order by the requests that come."""
        with self._lock:
            self._script.extend(Scripted(source, fault, operation) for source in sources)

    def always(self, source: Source, fault: Fault = NO_FAULT) -> None:
        """Answer every request so, once the queue is used up."""
        self._always = Scripted(source, fault)

    def reset(self) -> None:
        """Forget the script and everything received; connections stay."""
        with self._lock:
            self._script.clear()
        self._always = None
        for record in (self.ledger, self.refused, self.exchanges, self.problems):
            record.clear()

    @property
    def pending(self) -> int:
        """Scripted answers that nobody has asked for."""
        return len(self._script)

    def respond(self, request: Request) -> Exchange:
        try:
            call = self.dialect.call(request)
            if self.validate:
                self.dialect.check(call)
        except RefusedError as refused:
            exchange = Exchange(request, plan(refused.reply))
            self.refused.append(exchange)
            return exchange
        scripted = self._next(call)
        fault = scripted.fault
        try:
            answer = self._answer(scripted, call)
        except RefusedError as refused:
            answer = Answer(refused.reply)
        made = plan(answer.reply, fault, self.dialect.error_event() if fault.error_event_at is not None else b"")
        exchange = Exchange(request, made)
        recording = scripted.source if isinstance(scripted.source, Recording) else None
        self.ledger.append(Entry(call, made.status, answer.usage, recording, exchange))
        return exchange

    def _next(self, call: Call) -> Scripted:
        with self._lock:
            for position, scripted in enumerate(self._script):
                if call.operation == scripted.operation or (scripted.operation is None and call.operation in SCRIPTED):
                    return self._script.pop(position)
        if self._always is not None and call.operation in SCRIPTED:
            return self._always
        return Scripted(None)

    def _answer(self, scripted: Scripted, call: Call) -> Answer:
        source, fault = scripted.source, scripted.fault
        if fault.error is not None:
            reply = self.dialect.error(fault.error)
            if fault.retry_after is not None:
                reply = msgspec.structs.replace(reply, headers=(*reply.headers, ("retry-after", fault.retry_after)))
            return Answer(reply)
        if source is None:
            return self.dialect.answer(call)
        if isinstance(source, Recording):
            return Answer(self._replay(source, call))
        return Answer(source if isinstance(source, Reply) else source(call))

    def _replay(self, recording: Recording, call: Call) -> Reply:
        misfit = recording.api != call.operation or (recording.status < 400 and recording.streamed != call.streamed)
        if misfit:
            asked = f"{call.operation} (streamed: {call.streamed})"
            problem = f"{recording.name} cannot answer {asked}"
            self.problems.append(problem)
            return self.dialect.error(500, problem)
        return recorded_reply(recording)
