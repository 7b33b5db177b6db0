"""One stream of an OpenAI-format server to the hub's chunks: pure, fed with events in order; knows no HTTP.

Source: https://platform.openai.com/docs/api-reference/chat/streaming. What the client may rely on whatever the server
does: one id, model and time for all chunks, the role chunk first, dense tool-call indexes, one finish chunk per choice.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from adapters.errors import UNREADABLE, ErrorKind, ProviderError
from adapters.openai import parts, usage
from adapters.openai.errors import to_error_inside
from adapters.openai.finish import to_finish_reason
from adapters.openai.response import created_of
from adapters.openai.tool_calls import ToolCallAssembler
from adapters.sse import Event
from adapters.stream_state import OwnState
from schemas.chat_response import (
    AudioDelta,
    ChatCompletionChunk,
    ChoiceDelta,
    ChunkChoice,
    FinishReason,
    FunctionDelta,
)
from schemas.openai import Optional, PlainItem, WireChoice, WireCompletion, WireMessage
from schemas.usage import Usage

DONE: Final = b"[DONE]"
_DECODER: Final = msgspec.json.Decoder(WireCompletion)
_PLAIN: Final = msgspec.json.Decoder(PlainItem)
MAX_MISFITS: Final = 3
_AUDIO: Final = msgspec.json.Decoder(AudioDelta)
_NO_MESSAGE: Final = WireMessage()
_NOTHING: Final = WireCompletion()


class _Choice:
    """What has been sent of one choice."""

    __slots__ = ("finished", "index", "tools")

    def __init__(self, index: int, chunk_id: str) -> None:
        self.index = index
        self.finished = False
        self.tools = ToolCallAssembler(f"{chunk_id}/{index}")


class ChunkTranslator(OwnState):
    """See `adapters.exchange.Translator`.

    `model` is what the chunks say; `chunk_id` and `created` (Unix seconds) stand in where the server gives none.
    """

    def __init__(self, *, model: str, chunk_id: str, created: int, keep_stop: bool = False) -> None:
        self._model = model
        self._id = chunk_id
        self._created = created
        self._keep_stop = keep_stop
        self._choices: dict[int, _Choice] = {}
        self._annex: dict[str, bytes] = {}
        self._held: WireCompletion | None = None
        self._may_be_plain = False
        self._misfits = 0
        self._guesses_search = False

    def feed(self, event: Event) -> Sequence[ChatCompletionChunk]:
        """Return the chunks of one event; raises `ProviderError` for an error or for what is no stream item."""
        if self._may_be_plain and (quick := self._quick(event)) is not None:
            return (quick,)
        if event.data[:6] == DONE:
            return self._end()
        wire = self._read(event)
        if not wire.choices:
            self._hold(wire)
            return ()
        plain = self._plain(wire, wire.choices)
        if plain is not None:
            self._may_be_plain = self._misfits < MAX_MISFITS
            return (plain,)
        if not self._choices:
            self._begin(wire)
        chunks: list[ChatCompletionChunk] = []
        for choice in wire.choices:
            self._add(chunks, wire, choice)
        if chunks and wire.citations is not UNSET:
            self._attach(chunks[-1], wire)
        for chunk in chunks:
            if chunk.citations is not UNSET or chunk.choices[0].delta.annotations:
                self._guess_search(chunk)
        return chunks

    def finish(self) -> Sequence[ChatCompletionChunk]:
        """Take the end of the stream; a missing `[DONE]` is forgiven where every choice has finished."""
        if self.finished:
            return ()
        if not self._choices or not all(choice.finished for choice in self._choices.values()):
            raise ProviderError(ErrorKind.CONNECTION, "The provider's stream ended too early.")
        return self._end()

    # --- the stream as a whole

    def _begin(self, wire: WireCompletion) -> None:
        self.upstream_id = str(wire.id) if wire.id else None
        self.upstream_model = wire.model or None
        self._id = self.upstream_id or self._id
        self._created = created_of(wire, self._created)

    def _read(self, event: Event) -> WireCompletion:
        try:
            wire = _DECODER.decode(event.data)
        except UNREADABLE:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider sent an event that is no stream item.") from None
        if wire.usage not in parts.ABSENT or wire.x_groq is not None:
            self._take_usage(wire)
        if wire.error is not UNSET or wire.object == "error" or event.name == b"error" or wire.x_groq is not None:
            self._check_error(event, wire)
        return wire

    def _hold(self, wire: WireCompletion) -> None:
        """Keep prompt annotations that come before the first choice for the role chunk."""
        if wire.prompt_filter_results is not UNSET and not self._choices:
            self._held = wire

    def _end(self) -> list[ChatCompletionChunk]:
        if not self._choices:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's stream holds no answer.")
        chunks: list[ChatCompletionChunk] = []
        for state in self._choices.values():
            if not state.finished:
                self._finish(chunks, state, _NOTHING, None)
        self.finished = True
        if self._guesses_search and self.usage is not None:
            self.usage = msgspec.structs.replace(self.usage, queries=None)
        return chunks

    def _check_error(self, event: Event, wire: WireCompletion) -> None:
        if parts.is_given(wire.error) or wire.object == "error" or event.name == b"error":
            raise to_error_inside(event.data)
        if wire.x_groq is not None and parts.is_given(wire.x_groq.error):
            raise ProviderError(ErrorKind.SERVER_ERROR, "The provider stopped the stream early.")

    def _take_usage(self, wire: WireCompletion) -> None:
        reports = (wire.x_groq.usage if wire.x_groq is not None else UNSET, wire.usage)
        for raw in reports:
            if not isinstance(raw, UnsetType):
                reported = usage.to_usage(raw, wire.service_tier)
                self._guesses_search = self._guesses_search and (reported is None or reported.queries is None)
                self.usage = usage.merge(self.usage, reported)

    def _guess_search(self, chunk: ChatCompletionChunk) -> None:
        """Take it that one search was made, until the server says how many, or ends the stream and says nothing."""
        is_cited = any(note.type == "url_citation" for note in chunk.choices[0].delta.annotations or ())
        is_listed = not isinstance(chunk.citations, UnsetType) and bytes(chunk.citations) != b"[]"
        if (is_cited or is_listed) and (self.usage is None or self.usage.queries is None):
            self._guesses_search = True
            self.usage = usage.merge(Usage(queries=1), self.usage)

    def _attach(self, chunk: ChatCompletionChunk, wire: WireCompletion) -> None:
        """Add citations that have not been sent yet; some servers repeat all of them in every item."""
        for name, raw in (("citations", wire.citations), ("search_results", wire.search_results)):
            if not isinstance(raw, UnsetType) and self._annex.get(name) != (text := bytes(raw)):
                self._annex[name] = text
                setattr(chunk, name, parts.given(raw))

    def _quick(self, event: Event) -> ChatCompletionChunk | None:
        """Return what `_plain` would, at half the cost: the decoder itself finds out whether the item is plain.

        Tried after a plain item, and no more once a server has sent `MAX_MISFITS` plain ones that do not fit.
        """
        try:
            item = _PLAIN.decode(event.data)
        except UNREADABLE:
            self._may_be_plain = False
            self._misfits += 1
            return None
        choice = item.choices[0]
        index, content = choice.index or 0, choice.delta.content
        state = self._choices.get(index)
        if state is None or state.finished or not content or event.name:
            return None
        return ChatCompletionChunk(
            id=self._id,
            choices=[ChunkChoice(index=index, delta=ChoiceDelta(content=content))],
            created=self._created,
            model=self._model,
            obfuscation=item.obfuscation or UNSET,
            service_tier=item.service_tier,
            system_fingerprint=item.system_fingerprint,
        )

    def _plain(self, wire: WireCompletion, choices: list[WireChoice]) -> ChatCompletionChunk | None:
        """Return the chunk of an item that only adds text to a choice, as nearly all do; None for any other."""
        choice = choices[0]
        delta = choice.delta
        index = choice.index or 0
        if (
            delta is None
            or type(content := delta.content) is not str
            or not content
            or choice.finish_reason
            or choice.logprobs not in parts.ABSENT
            or choice.content_filter_results is not UNSET
            or choice.stop_reason not in parts.ABSENT
            or choice.usage is not UNSET
            or wire.citations is not UNSET
            or len(choices) > 1
            or (state := self._choices.get(index)) is None
            or state.finished
            or not parts.has_text_only(delta)
        ):
            return None
        return ChatCompletionChunk(
            id=self._id,
            choices=[ChunkChoice(index=index, delta=ChoiceDelta(content=content))],
            created=self._created,
            model=self._model,
            obfuscation=wire.obfuscation or UNSET,
            service_tier=wire.service_tier,
            system_fingerprint=wire.system_fingerprint,
        )

    # --- one choice

    def _add(self, chunks: list[ChatCompletionChunk], wire: WireCompletion, choice: WireChoice) -> None:
        state = self._choices.get(choice.index or 0)
        if state is None:
            state = self._start(chunks, wire, choice)
        if choice.usage is not UNSET:
            self._take_usage(WireCompletion(usage=choice.usage))
        if state.finished:
            return  # nothing may follow the end
        message = choice.delta or choice.message or _NO_MESSAGE
        delta = _to_delta(message)
        logprobs = None if choice.logprobs in parts.ABSENT else parts.to_logprobs(choice.logprobs)
        if delta is not None or logprobs is not None:
            item = self._chunk(wire, state, delta or ChoiceDelta())
            item.choices[0].logprobs = logprobs
            chunks.append(item)
        if message.tool_calls:
            calls = state.tools.feed(message.tool_calls)
            chunks.extend(self._chunk(wire, state, ChoiceDelta(tool_calls=[call])) for call in calls)
        if choice.finish_reason:
            if not choice.index or self.native_finish_reason is None:  # the first choice's, as in a whole answer
                self.native_finish_reason = choice.native_finish_reason or choice.finish_reason
            self._finish(chunks, state, wire, choice.finish_reason)
        if choice.content_filter_results is not UNSET or choice.stop_reason is not UNSET:
            self._annotate(chunks, wire, state, choice)

    def _start(self, chunks: list[ChatCompletionChunk], wire: WireCompletion, choice: WireChoice) -> _Choice:
        state = self._choices[choice.index or 0] = _Choice(choice.index or 0, self._id)
        first = self._chunk(wire, state, ChoiceDelta(role="assistant", content=""))
        held, self._held = self._held, None
        first.prompt_filter_results = parts.given((held or wire).prompt_filter_results)
        chunks.append(first)
        return state

    def _finish(
        self, chunks: list[ChatCompletionChunk], state: _Choice, wire: WireCompletion, native: str | None
    ) -> None:
        state.finished = True
        chunks.extend(self._chunk(wire, state, ChoiceDelta(tool_calls=[call])) for call in state.tools.flush())
        reason = to_finish_reason(native, called_tools=state.tools.count > 0, keep_stop=self._keep_stop)
        chunks.append(self._chunk(wire, state, ChoiceDelta(), reason))

    def _annotate(
        self, chunks: list[ChatCompletionChunk], wire: WireCompletion, state: _Choice, choice: WireChoice
    ) -> None:
        """Put what is said about a choice on its last chunk, or on one of its own."""
        results, stop_reason = parts.given(choice.content_filter_results), parts.given(choice.stop_reason)
        if results is UNSET and stop_reason is UNSET:
            return
        if not chunks or chunks[-1].choices[0].index != state.index:
            chunks.append(self._chunk(wire, state, ChoiceDelta()))
        chunks[-1].choices[0].content_filter_results = results
        chunks[-1].choices[0].stop_reason = stop_reason

    def _chunk(
        self, wire: WireCompletion, state: _Choice, delta: ChoiceDelta, reason: FinishReason | None = None
    ) -> ChatCompletionChunk:
        return ChatCompletionChunk(
            id=self._id,
            choices=[ChunkChoice(index=state.index, delta=delta, finish_reason=reason)],
            created=self._created,
            model=self._model,
            obfuscation=wire.obfuscation or UNSET,
            service_tier=wire.service_tier,
            system_fingerprint=wire.system_fingerprint,
        )


def _to_delta(message: WireMessage) -> ChoiceDelta | None:
    """Return what a piece of a message adds beside tool calls, None where that is nothing."""
    content = message.content
    if isinstance(content, list):
        content = parts.text_of(message)
    delta = ChoiceDelta(content=content) if content else ChoiceDelta()
    is_empty = not content
    if (reasoning := parts.reasoning_of(message)) is not None and reasoning:
        delta.reasoning_content = delta.reasoning = reasoning
        is_empty = False
    if message.refusal:
        delta.refusal = message.refusal
        is_empty = False
    if _add_rare(delta, message):
        is_empty = False
    return None if is_empty else delta


def _add_rare(delta: ChoiceDelta, message: WireMessage) -> bool:
    """Add what few streams have; returns whether there was any."""
    if (
        not isinstance(message.content, list)
        and message.reasoning_details is UNSET
        and message.annotations is UNSET
        and message.audio is UNSET
        and message.extra_content is UNSET
        and message.images is UNSET
        and message.function_call is None
    ):
        return False
    delta.reasoning_details = parts.to_reasoning_details(message.reasoning_details)
    delta.annotations = parts.to_annotations(message.annotations)
    delta.extra_content = parts.to_extra_content(message.extra_content)
    delta.audio = _to_audio(message.audio)
    delta.images = parts.to_images(message)
    called = message.function_call
    if called is not None and (called.name or called.arguments):
        delta.function_call = FunctionDelta(name=called.name or UNSET, arguments=parts.arguments_of(called))
    return delta != ChoiceDelta(content=delta.content)


def _to_audio(raw: Optional) -> AudioDelta | UnsetType:
    if isinstance(raw, UnsetType) or not parts.is_given(raw):
        return UNSET
    try:
        return _AUDIO.decode(raw)
    except UNREADABLE:
        return UNSET
