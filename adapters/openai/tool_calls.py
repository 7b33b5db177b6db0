"""Tool-call deltas of one streamed choice, with dense indexes and legal ids; knows no chunk.

Servers omit `index`, start it anywhere, give every call the same one, repeat `id` and name, or send whole calls.
"""

from collections.abc import Sequence

from msgspec import UNSET

from adapters import tool_ids
from adapters.openai import parts
from schemas.chat_response import CustomDelta, FunctionDelta, ToolCallDelta
from schemas.openai import WireToolCall


class _Call:
    """One call: `native_id` is the server's; `pending` is what came before the name."""

    __slots__ = ("index", "is_custom", "is_open", "native_id", "pending")

    def __init__(self, native_id: str | None) -> None:
        self.native_id = native_id
        self.index = -1
        self.is_custom = False
        self.is_open = False
        self.pending = ""


class ToolCallAssembler:
    """Tool calls of one choice. `seed` is unique to the choice: minted ids depend on it."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._ids: set[str] = set()

    @property
    def count(self) -> int:
        """Number of calls so far."""
        return len(self._calls)

    def feed(self, pieces: Sequence[WireToolCall]) -> list[ToolCallDelta]:
        """Return the deltas of one stream item."""
        deltas: list[ToolCallDelta] = []
        for piece in pieces:
            self._add(deltas, self._find(piece), piece)
        return deltas

    def flush(self) -> list[ToolCallDelta]:
        """Open calls that never got a name; they would be lost otherwise."""
        deltas: list[ToolCallDelta] = []
        for call in self._calls:
            if not call.is_open:
                self._open(deltas, call, WireToolCall(), "")
        return deltas

    def _find(self, piece: WireToolCall) -> _Call:
        """Return the call that a piece belongs to, a new one where it begins one."""
        if piece.index is not None:
            call = self._by_index.get(piece.index)
            if call is not None and not (piece.id and call.native_id and piece.id != call.native_id):
                call.native_id = call.native_id or piece.id
                return call
        elif piece.id:
            for call in self._calls:
                if call.native_id == piece.id:
                    return call
        if self._calls and not piece.id and not _name_of(piece):
            return self._calls[-1]  # nothing says that another call begins
        call = _Call(piece.id or None)
        self._calls.append(call)
        if piece.index is not None:
            self._by_index[piece.index] = call
        return call

    def _add(self, deltas: list[ToolCallDelta], call: _Call, piece: WireToolCall) -> None:
        text = _text_of(piece)
        if not call.is_open:
            name = _name_of(piece)
            call.is_custom = call.is_custom or piece.type == "custom" or piece.custom is not None
            if not name:
                call.pending += text
                return
            self._open(deltas, call, piece, name)
            text, call.pending = call.pending + text, ""
        elif piece.extra_content is not UNSET:
            extra = parts.to_extra_content(piece.extra_content)
            if extra is not UNSET:
                deltas.append(ToolCallDelta(index=call.index, extra_content=extra))
        if text:
            deltas.append(_piece(call, text))

    def _open(self, deltas: list[ToolCallDelta], call: _Call, piece: WireToolCall, name: str) -> None:
        call.is_open = True
        call.index = sum(1 for other in self._calls if other.is_open) - 1
        delta = ToolCallDelta(index=call.index, id=self._id_of(call))
        if call.is_custom:
            delta.type, delta.custom = "custom", CustomDelta(name=name, input="")
        else:
            delta.type, delta.function = "function", FunctionDelta(name=name, arguments="")
        delta.extra_content = parts.to_extra_content(piece.extra_content)
        deltas.append(delta)
        if not name and call.pending:
            deltas.append(_piece(call, call.pending))

    def _id_of(self, call: _Call) -> str:
        native = call.native_id
        if not native or not tool_ids.is_legal(native) or native in self._ids:
            native = tool_ids.minted(self._seed, call.index, native or "")
        self._ids.add(native)
        return native


def _piece(call: _Call, text: str) -> ToolCallDelta:
    if call.is_custom:
        return ToolCallDelta(index=call.index, custom=CustomDelta(input=text))
    return ToolCallDelta(index=call.index, function=FunctionDelta(arguments=text))


def _name_of(piece: WireToolCall) -> str | None:
    return (piece.function.name if piece.function else None) or (piece.custom.name if piece.custom else None)


def _text_of(piece: WireToolCall) -> str:
    if piece.function is not None:
        return parts.arguments_of(piece.function)
    return (piece.custom.input if piece.custom else None) or ""
