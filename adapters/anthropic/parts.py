"""Content parts to Anthropic blocks: text, images, documents; knows no message.

Source: https://platform.claude.com/docs/en/build-with-claude/vision and .../pdf-support, checked 2026-11-24.
"""

import base64
import binascii
import re
from typing import Final

from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from schemas import chat_request as hub
from schemas.anthropic import request as wire

MediaBlock = wire.TextBlock | wire.ImageBlock | wire.DocumentBlock
_DATA_URL: Final = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
_IMAGE_TYPES: Final = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/png": "image/png",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
_IMAGE_NAMES: Final = (".jpeg", ".jpg", ".png", ".gif", ".webp")
_PDF_START: Final = "JVBERi"  # "%PDF-" in base64


def to_cache_control(part: hub.CacheControl | None) -> wire.CacheControl | None:
    """Return the breakpoint in the provider's form."""
    return None if part is None else wire.CacheControl(ttl=part.ttl)


def to_blocks(content: hub.Content | None, path: str, losses: Losses) -> list[MediaBlock]:
    """Return the blocks of a message's content; blank text is left out, what cannot be carried raises.

    `path` is the JSON path of the content.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [wire.TextBlock(text=content)] if content.strip() else []
    blocks: list[MediaBlock] = []
    for index, part in enumerate(content):
        block = _to_block(part, f"{path}[{index}]", losses)
        if block is not None:
            blocks.append(block)
    return blocks


def _to_block(part: hub.ContentPart, path: str, losses: Losses) -> MediaBlock | None:
    cache = to_cache_control(part.cache_control)
    if cache is None and part.prompt_cache_breakpoint is not None:
        cache = wire.CacheControl()
    match part:
        case hub.TextPart(text=text) | hub.RefusalPart(refusal=text):
            return wire.TextBlock(text=text, cache_control=cache) if text.strip() else None
        case hub.ImagePart(image_url=image):
            if image.detail in {"low", "original"}:
                losses.drop(f"{path}.image_url.detail")
            return wire.ImageBlock(source=_image_source(image.url, f"{path}.image_url.url"), cache_control=cache)
        case hub.FilePart(file=file):
            return _from_file(file, f"{path}.file", cache)
        case hub.AudioPart() | hub.AudioURLPart() | hub.VideoPart():
            kind = "video" if isinstance(part, hub.VideoPart) else "audio"
            raise _unsupported(f"This model takes no {kind}.", path)


def _image_source(url: str, path: str) -> wire.Base64Source | wire.UrlSource:
    if url[:8].lower().startswith(("http://", "https://")):
        return wire.UrlSource(url=url)
    media_type, data = _split_data_url(url, path)
    known = _IMAGE_TYPES.get(media_type)
    if known is None:
        raise _unsupported("This model takes images of the types JPEG, PNG, GIF and WebP.", path)
    return wire.Base64Source(media_type=known, data=data)


def _from_file(file: hub.FileData, path: str, cache: wire.CacheControl | None) -> MediaBlock:
    if file.file_id is not None:
        stored = wire.FileSource(file_id=file.file_id)
        if (file.filename or "").lower().endswith(_IMAGE_NAMES):
            return wire.ImageBlock(source=stored, cache_control=cache)
        return wire.DocumentBlock(source=stored, title=file.filename, cache_control=cache)
    data_url = file.file_data
    if data_url is None:
        raise _invalid("A file needs 'file_data' or 'file_id'.", path)
    path = f"{path}.file_data"
    if data_url[:8].lower().startswith(("http://", "https://")):
        return wire.DocumentBlock(source=wire.UrlSource(url=data_url), title=file.filename, cache_control=cache)
    if data_url.startswith(_PDF_START):
        media_type, data = "application/pdf", data_url
    else:
        media_type, data = _split_data_url(data_url, path)
    if media_type in _IMAGE_TYPES:
        source = wire.Base64Source(media_type=_IMAGE_TYPES[media_type], data=data)
        return wire.ImageBlock(source=source, cache_control=cache)
    return wire.DocumentBlock(source=_document_source(media_type, data, path), title=file.filename, cache_control=cache)


def _document_source(media_type: str, data: str, path: str) -> wire.Base64Source | wire.TextSource:
    if media_type == "application/pdf":
        return wire.Base64Source(media_type=media_type, data=data)
    if not media_type.startswith("text/") and media_type != "application/json":
        raise _unsupported("This model takes files of the types PDF, plain text and image.", path)
    try:
        text = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _invalid("The file is not UTF-8 text in base64.", path) from None
    if not text.strip():
        raise _invalid("The file is empty.", path)
    return wire.TextSource(data=text, media_type="text/plain")


def _split_data_url(url: str, path: str) -> tuple[str, str]:
    """Return media type in lower case and base64 data."""
    head = _DATA_URL.match(url)
    if head is None:
        raise _invalid("Neither an http(s) URL nor a data URL.", path)
    if ";base64" not in head[2].lower():
        raise _invalid("A data URL must be base64.", path)
    data = url[head.end() :]
    if not data:
        raise _invalid("The data URL is empty.", path)
    return head[1].strip().lower(), data


def _unsupported(message: str, path: str) -> ProviderError:
    return ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param=path)


def _invalid(message: str, path: str) -> ProviderError:
    return ProviderError(ErrorKind.INVALID_REQUEST, message, param=path)
