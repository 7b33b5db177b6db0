"""Content parts to Cohere's blocks; knows no turn.

Cohere reads text and images (https://docs.cohere.com/v2/docs/image-inputs). A text file becomes a document, which the
model can cite: https://docs.cohere.com/v2/docs/retrieval-augmented-generation-rag.
"""

import base64
import binascii
from typing import Final
from urllib.parse import unquote_to_bytes

from msgspec import Struct, field

from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from schemas import chat_request as hub
from schemas import cohere as wire

_TEXT_TYPES: Final = frozenset({"application/json", "application/xml", "application/x-ndjson", "application/yaml"})


class Blocks(Struct):
    """What one message holds, by kind; `shown` is texts and images in their order."""

    shown: list[wire.TextContent | wire.ImageContent] = field(
        default_factory=list[wire.TextContent | wire.ImageContent]
    )
    documents: list[wire.Document] = field(default_factory=list[wire.Document])

    @property
    def texts(self) -> list[wire.TextContent]:
        """The texts alone."""
        return [block for block in self.shown if isinstance(block, wire.TextContent)]

    @property
    def images(self) -> list[wire.ImageContent]:
        """The images alone."""
        return [block for block in self.shown if isinstance(block, wire.ImageContent)]

    def attach(self, document: wire.Document, *, as_text: bool) -> None:
        """Add a text file, as a text with its title above it or as a document."""
        if as_text:
            self.shown.append(wire.TextContent(text="\n".join(document.data.values())))
        else:
            self.documents.append(document)


def to_blocks(content: hub.Content | None, path: str, losses: Losses, *, files_as_text: bool = False) -> Blocks:
    """Return the blocks; empty texts are left out, and with `files_as_text` text files are texts, not documents.

    Raises:
        ProviderError: Cohere does not read such media.
    """
    blocks = Blocks()
    if isinstance(content, str):
        content = [hub.TextPart(text=content)]
    for index, part in enumerate(content or ()):
        if part.cache_control is not None:
            losses.drop("cache_control")
        if part.prompt_cache_breakpoint is not None:
            losses.drop("prompt_cache_breakpoint")
        match part:
            case hub.TextPart(text=text) | hub.RefusalPart(refusal=text):
                if text:
                    blocks.shown.append(wire.TextContent(text=text))
            case hub.ImagePart(image_url=image):
                blocks.shown.append(_image(image))
            case hub.FilePart(file=file):
                blocks.attach(_document(file, f"{path}[{index}].file"), as_text=files_as_text)
            case hub.AudioPart() | hub.AudioURLPart() | hub.VideoPart():
                message = "This model reads text and images only."
                raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param=f"{path}[{index}]")
    return blocks


def _image(image: hub.ImageURL) -> wire.ImageContent:
    detail = "high" if image.detail == "original" else image.detail
    return wire.ImageContent(image_url=wire.ImageURL(url=image.url, detail=detail))


def _document(file: hub.FileData, path: str) -> wire.Document:
    text = None if file.file_data is None else _text_of(file.file_data)
    if text is None:
        message = "This model reads files only as a 'data:' URL of a text type."
        raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param=path)
    return wire.Document(data={"title": file.filename, "text": text} if file.filename else {"text": text})


def _text_of(url: str) -> str | None:
    """Return the text of a `data:` URL, None where it is no text."""
    head, comma, payload = url.partition(",")
    scheme, _, media = head.partition(":")
    kind = media.partition(";")[0].strip().lower()
    if scheme.lower() != "data" or not comma or not (kind in _TEXT_TYPES or kind.startswith("text/")):
        return None
    try:
        in_base64 = media.lower().endswith(";base64")
        data = base64.b64decode(payload, validate=True) if in_base64 else unquote_to_bytes(payload)
        return data.decode("utf-8")
    except (binascii.Error, ValueError):
        return None
