"""The events of `streamGenerateContent?alt=sse` to chunks; knows no transport and no clock.

Every event is a partial answer; there is no closing event, so the stream is complete when every candidate has a finish
reason and the body ends. What ends a choice is therefore sent at the very end: late usage and sources still count.
"""

from collections.abc import Sequence

from msgspec import UNSET, Raw, UnsetType

from adapters.chunks import ChunkBuilder
from adapters.errors import ErrorKind, ProviderError
from adapters.google import answer
from adapters.google.answer import CandidateReader, Piece, extra_content, to_logprobs
from adapters.google.finish import block_name, to_finish_reason
from adapters.google.response import Expected, decode
from adapters.google.safety import to_filter_results
from adapters.google.usage import Searches
from adapters.sse import Event
from adapters.stream_state import OwnState
from schemas.chat_response import AudioDelta, ChatCompletionChunk
from schemas.google.response import Candidate, PromptFeedback
from schemas.usage import Usage


class ChunkTranslator(OwnState):
    """Translates one stream; see `Translator`."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._builder = ChunkBuilder(chunk_id=expected.answer_id, model=expected.model, created=expected.created)
        self._readers: dict[int, CandidateReader] = {}
        self._images: dict[int, int] = {}
        self._counted: Usage | None = None
        self._searches = Searches(charged_each=expected.searches_charged_each)
        self._is_blocked = False
        self._filter_results: Raw | UnsetType = UNSET
        self._has_events = False

    def feed(self, event: Event) -> Sequence[ChatCompletionChunk]:
        """See `Translator`."""
        response, usage, tier = decode(event.data)
        self._has_events = True
        self._counted = usage or self._counted
        self._searches.add(response.candidates or ())
        self.usage = self._searches.counted_in(self._counted)
        self._builder.service_tier = tier or self._builder.service_tier
        self.upstream_id = response.response_id or self.upstream_id
        self.upstream_model = response.model_version or self.upstream_model
        chunks: list[ChatCompletionChunk] = []
        for candidate in response.candidates or ():
            chunks += self._candidate(candidate)
        feedback = response.prompt_feedback
        if feedback is not None and feedback.block_reason is not None:
            chunks += self._blocked(feedback)
        return chunks

    def finish(self) -> Sequence[ChatCompletionChunk]:
        """See `Translator`."""
        if not self._has_events:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's stream holds no event.")
        readers = sorted(self._readers.items())
        if not self._is_blocked and (not readers or any(reader.native_finish is None for _, reader in readers)):
            raise ProviderError(ErrorKind.CONNECTION, "The provider's stream ended before the answer did.")
        chunks: list[ChatCompletionChunk] = []
        if not readers:
            chunks += self._builder.finish("content_filter")
            chunks[-1].choices[0].content_filter_results = self._filter_results
        for index, reader in readers:
            if annotations := reader.annotations():
                chunks += self._builder.annotations(annotations, index)
            is_cut = reader.native_finish is None
            reason = to_finish_reason(reader.native_finish, called_tools=reader.called_tools)
            chunks += self._builder.finish("content_filter" if is_cut else reason, index)
            chunks[-1].choices[0].content_filter_results = self._filter_results if is_cut else reader.filter_results
        self.finished = True
        return chunks

    def _candidate(self, candidate: Candidate) -> list[ChatCompletionChunk]:
        index = candidate.index
        reader = self._readers.get(index)
        if reader is None:
            reader = CandidateReader(self._expected.request_id, index, self._expected.names)
            self._readers[index] = reader
        chunks: list[ChatCompletionChunk] = []
        try:
            for piece in reader.read(candidate):
                chunks += self._piece(piece, index)
        finally:
            if index == 0:
                self.native_finish_reason = reader.native_finish
        logprobs = to_logprobs(candidate.logprobs_result)
        if logprobs is not None:
            chunks = chunks or self._builder.text("", index)
            chunks[-1].choices[0].logprobs = logprobs
        return chunks

    def _piece(self, piece: Piece, index: int) -> list[ChatCompletionChunk]:
        builder = self._builder
        match piece:
            case answer.Text(text):
                return builder.text(text, index)
            case answer.Thought(text):
                return builder.reasoning(text, index)
            case answer.ToolCall():
                return self._tool_call(piece, index)
            case answer.Signature(detail):
                chunks = builder.extra_content(extra_content(detail), index)
                chunks[-1].choices[0].delta.reasoning_details = [detail]
                return chunks
            case answer.Image(url):
                number = self._images.get(index, 0)
                self._images[index] = number + 1
                return builder.image(url, number, index)
            case answer.Audio(data):
                delta = AudioDelta(id=f"audio_{self._expected.request_id}", data=data)
                delta.expires_at = self._expected.created
                return builder.audio(delta, index)
            case answer.Refusal(text):
                return builder.refusal(text, index)

    def _tool_call(self, piece: answer.ToolCall, index: int) -> list[ChatCompletionChunk]:
        builder = self._builder
        if piece.is_custom:
            number, chunks = builder.open_custom_call(piece.call_id, piece.name, index)
            chunks += builder.custom_input(number, piece.arguments, index)
            opened = chunks[-2].choices[0].delta
        else:
            extra = extra_content(piece.signature) if piece.signature is not None else None
            _, chunks = builder.open_tool_call(
                piece.call_id, piece.name, arguments=piece.arguments, extra=extra, choice=index
            )
            opened = chunks[-2].choices[0].delta
        if piece.signature is not None:
            opened.reasoning_details = [piece.signature]
            if piece.is_custom and opened.tool_calls is not UNSET:
                opened.tool_calls[0].extra_content = extra_content(piece.signature)
        return chunks

    def _blocked(self, feedback: PromptFeedback) -> list[ChatCompletionChunk]:
        if self._is_blocked:
            return []
        name = block_name(feedback.block_reason)
        self._is_blocked = True
        self.native_finish_reason = name
        self._filter_results = to_filter_results(feedback.safety_ratings)
        return self._builder.refusal(answer.block_text(feedback, name))
