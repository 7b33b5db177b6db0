"""One stream of Mistral to the hub's chunks: OpenAI's, with the references as annotations; knows no HTTP."""

from collections.abc import Sequence

from typing_extensions import override

from adapters.mistral.references import MARKS, Annotator, Sources
from adapters.mistral.response import read
from adapters.openai.stream import ChunkTranslator
from adapters.sse import Event
from schemas.chat_response import ChatCompletionChunk, ChoiceDelta
from schemas.mistral import ReceivedChoice
from schemas.openai import WireCompletion


class MistralChunkTranslator(ChunkTranslator):
    """See `adapters.exchange.Translator`; `sources` are the request's, by id."""

    def __init__(self, *, model: str, chunk_id: str, created: int, sources: Sources) -> None:
        super().__init__(model=model, chunk_id=chunk_id, created=created)
        self._sources = sources
        self._annotators: dict[int, Annotator] = {}

    @override
    def feed(self, event: Event) -> Sequence[ChatCompletionChunk]:
        """Return the chunks of one event; raises `ProviderError` for an error or for what is no stream item."""
        chunks = super().feed(event)
        if any(mark in event.data for mark in MARKS):
            chunks = list(chunks)
            for received in read(event.data).choices or ():
                self._cite(chunks, received)
            return chunks
        for chunk in chunks:
            for choice in chunk.choices:
                if choice.delta.content:
                    self._annotator(choice.index).feed(choice.delta.content)
        return chunks

    def _cite(self, chunks: list[ChatCompletionChunk], received: ReceivedChoice) -> None:
        """Add a chunk with the annotations of one choice, before the chunk that ends it."""
        index = received.index or 0
        state = self._choices.get(index)
        found = self._annotator(index).feed(received.delta.content) if received.delta is not None else []
        if not found or state is None:
            return
        place = len(chunks)
        for position, chunk in enumerate(chunks):
            if chunk.choices[0].index == index and chunk.choices[0].finish_reason is not None:
                place = position
        chunks.insert(place, self._chunk(WireCompletion(), state, ChoiceDelta(annotations=found)))

    def _annotator(self, index: int) -> Annotator:
        return self._annotators.setdefault(index, Annotator(self._sources))
