"""Goes on with a turn that the provider paused while its own tools run; knows no hub type.

Source: https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons (`pause_turn`), checked 2026-11-24:
the answer's blocks are sent back as the last assistant turn, unchanged.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct, UnsetType
from msgspec.structs import replace

from adapters.anthropic.names import WEB_SEARCH
from adapters.anthropic.request import Translation
from adapters.errors import UNREADABLE, bad_response
from adapters.held import Held
from schemas.anthropic.request import Message, WebSearchTool
from schemas.anthropic.response import Delta, StreamEvent

MAX_ROUNDS: Final = 6


class _Kind(Struct):
    """What a block is."""

    type: str
    name: str | None = None


_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
_KIND: Final = msgspec.json.Decoder(_Kind)
_SEARCHED: Final = _Kind(type="server_tool_use", name=WEB_SEARCH)
_TEXT: Final = msgspec.json.Decoder(str)
_ENCODER: Final = msgspec.json.Encoder()


def continued(translation: Translation, blocks: Sequence[Raw]) -> Translation:
    """Return the request that goes on after `blocks`; the searches in them count against its bound."""
    body = translation.body
    turn = Message(role="assistant", content=list(blocks))
    searched = sum(_KIND.decode(block) == _SEARCHED for block in blocks)
    tools = [
        replace(tool, max_uses=max(1, tool.max_uses - searched))
        if isinstance(tool, WebSearchTool) and tool.max_uses is not None
        else tool
        for tool in body.tools or ()
    ]
    return replace(translation, body=replace(body, messages=[*body.messages, turn], tools=tools or None))


class _Recorded:
    """One block: its fields as they began, and what deltas added."""

    def __init__(self, fields: dict[str, Raw]) -> None:
        self.fields = fields
        self.texts: dict[str, list[str]] = {}
        self.json: list[str] = []
        self.citations: list[Raw] = []


class TurnRecorder:
    """Puts a stream's blocks together again, as they would stand in a whole answer."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Recorded] = {}
        self._held = Held()  # over all rounds: each is sent with the next request

    def feed(self, event: StreamEvent) -> None:
        """Take one event; raises `ProviderError` where all blocks together are beyond `adapters.held.MAX_HELD`."""
        if event.type == "content_block_start" and not isinstance(event.content_block, UnsetType):
            self._held.add(len(event.content_block))
            self._blocks[event.index] = _Recorded(_fields(event.content_block))
        elif event.type == "content_block_delta" and event.delta is not None:
            block = self._blocks.get(event.index)
            if block is not None:
                self._held.add(size_of(event.delta))
                _record(block, event.delta)

    def take(self) -> list[Raw]:
        """Return the blocks in order and forget them; empty texts, which the API would refuse, are left out."""
        blocks = [_to_raw(self._blocks[index]) for index in sorted(self._blocks)]
        self._blocks.clear()
        return [block for block in blocks if block is not None]


def size_of(delta: Delta) -> int:
    """Return how much a delta adds, in characters and bytes."""
    texts = (delta.text, delta.thinking, delta.signature, delta.partial_json)
    citation = 0 if isinstance(delta.citation, UnsetType) else len(delta.citation)
    return citation + sum(len(text) for text in texts if text)


def _fields(block: Raw) -> dict[str, Raw]:
    try:
        return {name: value.copy() for name, value in _FIELDS.decode(block).items()}
    except UNREADABLE:
        raise bad_response() from None


def _text(value: Raw | None) -> str:
    try:
        return "" if value is None else _TEXT.decode(value)
    except UNREADABLE:
        raise bad_response() from None


def _record(block: _Recorded, delta: Delta) -> None:
    for name, text in (("text", delta.text), ("thinking", delta.thinking), ("signature", delta.signature)):
        if text is not None:
            block.texts.setdefault(name, []).append(text)
    if delta.partial_json:
        block.json.append(delta.partial_json)
    if not isinstance(delta.citation, UnsetType):
        block.citations.append(delta.citation.copy())


def _to_raw(block: _Recorded) -> Raw | None:
    fields: dict[str, object] = {**block.fields}
    for name, pieces in block.texts.items():
        fields[name] = _text(block.fields.get(name)) + "".join(pieces)
    if block.json:
        fields["input"] = Raw("".join(block.json).encode("utf-8", "replace"))
    if block.citations:
        fields["citations"] = block.citations
    if _text(block.fields.get("type")) == "text" and "text" not in block.texts and not _text(block.fields.get("text")):
        return None
    return Raw(_ENCODER.encode(fields))
