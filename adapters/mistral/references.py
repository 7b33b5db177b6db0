"""References in an answer to annotations with addresses; knows no stream.

Source: https://docs.mistral.ai/capabilities/citations, checked 2026-11-26. The model cites tool results: the request's
results are JSON objects whose keys are the ids and whose values hold `url` and `title`. A `tool_reference` holds both
itself. References to what has no address have no place in the chat format and are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from adapters.errors import UNREADABLE
from schemas.chat_request import Message, TextPart, ToolMessage
from schemas.chat_response import Annotation, URLCitation
from schemas.mistral import ReceivedChunk

MARKS: Final = (b'"reference"', b'"tool_reference"')
_SCHEMES: Final = ("https://", "http://")
MAX_RESULT_CHARS: Final = 4 * 1024 * 1024


class Source(Struct, frozen=True, kw_only=True):
    """What a reference points at."""

    url: str | None = None
    title: str | None = None


_SOURCES: Final = msgspec.json.Decoder(dict[str, Source])
Sources = Mapping[str, Source]


def to_sources(messages: Sequence[Message]) -> Sources:
    """Return the sources that the tool results name, by id; later results win."""
    found: dict[str, Source] = {}
    for message in messages:
        if isinstance(message, ToolMessage):
            found |= _sources_of(message)
    return found


def _sources_of(message: ToolMessage) -> Sources:
    content = message.content
    if not isinstance(content, str):
        content = "".join(part.text for part in content if isinstance(part, TextPart))
    if not content.startswith("{") or len(content) > MAX_RESULT_CHARS:
        return {}
    try:
        return _SOURCES.decode(content)
    except UNREADABLE:
        return {}


class Annotator:
    """Finds the sources of one choice's text, which arrives in order."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._begin = 0
        self._end = 0

    def feed(self, content: str | Sequence[ReceivedChunk] | None) -> list[Annotation]:
        """Return the annotations of a piece: each cites the text since the one before."""
        if isinstance(content, str):
            self._end += len(content)
            return []
        found: list[Annotation] = []
        for chunk in content or ():
            if chunk.type in {"text", None}:
                self._end += len(chunk.text or "")
                continue
            cited = [Source(url=chunk.url, title=chunk.title)] if chunk.type == "tool_reference" else []
            if chunk.type == "reference":
                cited = [self._sources.get(str(key), Source()) for key in chunk.reference_ids or ()]
            found += [annotation for source in cited if (annotation := self._annotation(source)) is not None]
            if cited:
                self._begin = self._end
        return found

    def _annotation(self, source: Source) -> Annotation | None:
        if source.url is None or not source.url.startswith(_SCHEMES):
            return None
        cited = URLCitation(
            start_index=self._begin, end_index=self._end, url=source.url, title=source.title or source.url
        )
        return Annotation(type="url_citation", url_citation=cited)
