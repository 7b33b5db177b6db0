"""Grounding and citation metadata to annotations; knows no message.

Google counts UTF-8 bytes of the part's text, OpenAI characters of the message. Where the bytes at the given place are
not the quoted text (several parts, server-side tools between them), the quotation is searched for.
"""

from collections.abc import Collection, Iterator

from schemas.chat_response import Annotation, URLCitation
from schemas.google.response import Citation, GroundingChunk, GroundingMetadata, Segment, Source


def has_sources(metadata: GroundingMetadata | None) -> bool:
    """Return whether there is anything to cite."""
    return metadata is not None and bool(metadata.grounding_chunks)


def to_annotations(grounding: GroundingMetadata | None, citations: Collection[Citation], text: str) -> list[Annotation]:
    """Return one annotation per stretch and source; sources without a stretch stand for the whole text."""
    found = list(_grounded(grounding, text)) if grounding is not None else []
    return found + list(_cited(citations, text)) if citations else found


def _grounded(metadata: GroundingMetadata, text: str) -> Iterator[Annotation]:
    sources = [_source(chunk) for chunk in metadata.grounding_chunks or ()]
    supports = metadata.grounding_supports or []
    if not supports:
        for source in sources:
            yield from _annotation(source, (0, len(text)))
    data = text.encode()
    for support in supports:
        place = _place(support.segment or Segment(), text, data)
        for index in support.grounding_chunk_indices or ():
            if 0 <= index < len(sources):
                yield from _annotation(sources[index], place)


def _source(chunk: GroundingChunk) -> Source | None:
    if (image := chunk.image) is not None:
        return Source(uri=image.source_uri, title=image.title, domain=image.domain)
    return chunk.web or chunk.retrieved_context or chunk.maps


def _cited(citations: Collection[Citation], text: str) -> Iterator[Annotation]:
    data = text.encode()
    for citation in citations:
        place = _place(Segment(start_index=citation.start_index, end_index=citation.end_index), text, data)
        yield from _annotation(Source(uri=citation.uri, title=citation.title), place)


def _annotation(source: Source | None, place: tuple[int, int]) -> Iterator[Annotation]:
    if source is not None and source.uri:
        title = source.title or source.domain or source.uri
        cited = URLCitation(start_index=place[0], end_index=place[1], title=title, url=source.uri)
        yield Annotation(type="url_citation", url_citation=cited)


def _place(segment: Segment, text: str, data: bytes) -> tuple[int, int]:
    """Return where the segment begins and ends in characters."""
    start = max(0, segment.start_index or 0)
    end = segment.end_index if segment.end_index is not None else len(data)
    quoted = segment.text
    if quoted and data[start:end] != quoted.encode():
        found = text.find(quoted)
        if found >= 0:
            return found, found + len(quoted)
    first = _characters(data, start)
    return first, max(first, _characters(data, end))


def _characters(data: bytes, count: int) -> int:
    return len(data[: max(0, count)].decode("utf-8", "ignore"))
