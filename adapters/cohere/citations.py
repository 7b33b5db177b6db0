"""Citations to annotations; knows no stream.

OpenAI's annotations cite addresses. A source has one where the document or the tool's output holds a `url`, or where
its id is one; citations of other sources have no place in the chat format and are left out.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw, UnsetType

from adapters.errors import UNREADABLE
from schemas.chat_response import Annotation, URLCitation
from schemas.cohere import ReceivedCitation, ReceivedSource

_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_SCHEMES: Final = ("https://", "http://")


def to_annotations(citation: ReceivedCitation, offsets: Mapping[int, int]) -> list[Annotation]:
    """Return one annotation per address. `offsets` says where in the whole text each content block begins."""
    if citation.type not in {None, "TEXT_CONTENT"}:
        return []  # within the thoughts or the plan
    offset = 0 if citation.content_index is None else offsets.get(citation.content_index, 0)
    found: dict[str, Annotation] = {}
    for source in citation.sources or ():
        url, title = _address(source)
        if url is not None and url not in found:
            cited = URLCitation(
                start_index=offset + (citation.start or 0),
                end_index=offset + (citation.end or 0),
                url=url,
                title=title or url,
            )
            found[url] = Annotation(type="url_citation", url_citation=cited)
    return list(found.values())


def _address(source: ReceivedSource) -> tuple[str | None, str | None]:
    fields: dict[str, Raw] = {}
    for raw in (source.document, source.tool_output):
        if not isinstance(raw, UnsetType) and bytes(raw).startswith(b"{"):
            fields |= _FIELDS.decode(raw)
    for url in (_text(fields.get("url")), source.id):
        if url is not None and url.startswith(_SCHEMES):
            return url, _text(fields.get("title"))
    return None, None


def _text(raw: Raw | None) -> str | None:
    try:
        return None if raw is None else _TEXT.decode(raw)
    except UNREADABLE:
        return None
