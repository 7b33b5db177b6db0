"""Builds the chunks of one stream for dialects that are not OpenAI's; knows no provider.

A translator says "text for choice 0" or "a call of tool f begins"; the builder keeps what the client may rely on: one
id, model and time for all chunks, the role chunk first, dense tool-call indexes per choice, one finish chunk each.
"""

from schemas.chat_request import ExtraContent, ReasoningDetail
from schemas.chat_response import (
    Annotation,
    AudioDelta,
    ChatCompletionChunk,
    ChoiceDelta,
    ChunkChoice,
    CustomDelta,
    FinishReason,
    FunctionDelta,
    MessageImage,
    MessageImageURL,
    ToolCallDelta,
)


class ChunkBuilder:
    """Chunks of one stream. `created` is in Unix seconds; `service_tier`, once known, is that of the chunks to come."""

    def __init__(self, *, chunk_id: str, model: str, created: int) -> None:
        self.chunk_id = chunk_id
        self.model = model
        self.created = created
        self.service_tier: str | None = None
        self._started: set[int] = set()
        self._finished: set[int] = set()
        self._tool_calls: dict[int, int] = {}

    def text(self, text: str, choice: int = 0) -> list[ChatCompletionChunk]:
        """Add answer text."""
        return self._chunks(choice, ChoiceDelta(content=text))

    def refusal(self, text: str, choice: int = 0) -> list[ChatCompletionChunk]:
        """Add refusal text."""
        return self._chunks(choice, ChoiceDelta(refusal=text))

    def reasoning(self, text: str, choice: int = 0) -> list[ChatCompletionChunk]:
        """Add readable reasoning, in both spellings."""
        return self._chunks(choice, ChoiceDelta(reasoning_content=text, reasoning=text))

    def reasoning_detail(self, detail: ReasoningDetail, choice: int = 0) -> list[ChatCompletionChunk]:
        """Add a signature, or an encrypted or redacted block."""
        return self._chunks(choice, ChoiceDelta(reasoning_details=[detail]))

    def annotations(self, annotations: list[Annotation], choice: int = 0) -> list[ChatCompletionChunk]:
        """Add citations."""
        return self._chunks(choice, ChoiceDelta(annotations=annotations))

    def extra_content(self, extra: ExtraContent, choice: int = 0) -> list[ChatCompletionChunk]:
        """Add opaque provider state that belongs to the message."""
        return self._chunks(choice, ChoiceDelta(extra_content=extra))

    def image(self, url: str, number: int, choice: int = 0) -> list[ChatCompletionChunk]:
        """Add a whole image as a `data:` URL; `number` counts the choice's images from 0."""
        image = MessageImage(image_url=MessageImageURL(url=url), index=number)
        return self._chunks(choice, ChoiceDelta(images=[image]))

    def audio(self, delta: AudioDelta, choice: int = 0) -> list[ChatCompletionChunk]:
        """Add a piece of audio."""
        return self._chunks(choice, ChoiceDelta(audio=delta))

    def open_custom_call(self, call_id: str, name: str, choice: int = 0) -> tuple[int, list[ChatCompletionChunk]]:
        """Begin a call of a custom (free-text) tool; returns its index within the choice for `custom_input`."""
        index = self._tool_calls.get(choice, 0)
        self._tool_calls[choice] = index + 1
        call = ToolCallDelta(index=index, id=call_id, type="custom", custom=CustomDelta(name=name, input=""))
        return index, self._chunks(choice, ChoiceDelta(tool_calls=[call]))

    def custom_input(self, index: int, text: str, choice: int = 0) -> list[ChatCompletionChunk]:
        """Add a piece of a custom tool call's input."""
        call = ToolCallDelta(index=index, custom=CustomDelta(input=text))
        return self._chunks(choice, ChoiceDelta(tool_calls=[call]))

    def open_tool_call(
        self, call_id: str, name: str, *, arguments: str = "", extra: ExtraContent | None = None, choice: int = 0
    ) -> tuple[int, list[ChatCompletionChunk]]:
        """Begin a tool call; returns its index within the choice for `tool_arguments`."""
        index = self._tool_calls.get(choice, 0)
        self._tool_calls[choice] = index + 1
        call = ToolCallDelta(index=index, id=call_id, type="function", function=FunctionDelta(name=name, arguments=""))
        if extra is not None:
            call.extra_content = extra
        chunks = self._chunks(choice, ChoiceDelta(tool_calls=[call]))
        if arguments:
            chunks += self.tool_arguments(index, arguments, choice)
        return index, chunks

    def tool_arguments(self, index: int, arguments: str, choice: int = 0) -> list[ChatCompletionChunk]:
        """Add a piece of a tool call's JSON arguments."""
        call = ToolCallDelta(index=index, function=FunctionDelta(arguments=arguments))
        return self._chunks(choice, ChoiceDelta(tool_calls=[call]))

    def has_tool_calls(self, choice: int = 0) -> bool:
        """Return whether the choice has called a tool."""
        return self._tool_calls.get(choice, 0) > 0

    def finish(self, reason: FinishReason, choice: int = 0) -> list[ChatCompletionChunk]:
        """End a choice; a second end of the same choice adds nothing."""
        if choice in self._finished:
            return []
        chunks = self._chunks(choice, ChoiceDelta())
        chunks[-1].choices[0].finish_reason = reason
        self._finished.add(choice)
        return chunks

    def _chunks(self, choice: int, delta: ChoiceDelta) -> list[ChatCompletionChunk]:
        chunks: list[ChatCompletionChunk] = []
        if choice not in self._started:
            self._started.add(choice)
            chunks.append(self._chunk(choice, ChoiceDelta(role="assistant", content="")))
        chunks.append(self._chunk(choice, delta))
        return chunks

    def _chunk(self, choice: int, delta: ChoiceDelta) -> ChatCompletionChunk:
        chunk = ChatCompletionChunk(
            id=self.chunk_id,
            choices=[ChunkChoice(index=choice, delta=delta)],
            created=self.created,
            model=self.model,
        )
        if self.service_tier is not None:
            chunk.service_tier = self.service_tier
        return chunk
