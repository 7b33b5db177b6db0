"""Content parts to Converse blocks: text, images, documents, videos, recordings; knows no message.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html, checked 2026-11-24. Media
travel as base64 bytes or as `s3://` addresses; the provider fetches nothing from the web.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from adapters.audio import inline
from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from schemas import chat_request as hub
from schemas.bedrock import request as wire

_DATA_URL: Final = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_IMAGES: Final = {
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
}
_VIDEOS: Final = {
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "application/json": "txt",
}
_AUDIO: Final = frozenset({"mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "m4a", "mpeg", "webm"})
_S3: Final = re.compile(r"s3://[a-z0-9][.a-z0-9-]{1,61}[a-z0-9]/.*?\.?([A-Za-z0-9]*)")
_BY_SUFFIX: Final[Mapping[str, str]] = {"jpg": "jpeg", "3gp": "three_gp", "mpg": "mpeg", "htm": "html"}
_PDF_START: Final = "JVBERi"  # "%PDF-" in base64
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9\s\-()\[\]]+")
_MAX_NAME_CHARS: Final = 200


def to_blocks(content: hub.Content | None, path: str, losses: Losses, *, caches: bool) -> list[wire.Block]:
    """Return the blocks of a message's content; blank text is left out, what cannot be carried raises.

    `path` is the JSON path of the content, `caches` whether the model knows cache points.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [wire.Block(text=content)] if content.strip() else []
    blocks: list[wire.Block] = []
    for index, part in enumerate(content):
        block = _to_block(part, f"{path}[{index}]", losses)
        if block is None:
            continue
        blocks.append(block)
        cache = part.cache_control
        if cache is None and part.prompt_cache_breakpoint is not None:
            cache = hub.CacheControl()
        blocks += to_cache_points(cache, losses, caches=caches)
    return blocks


def to_cache_points(cache: hub.CacheControl | None, losses: Losses, *, caches: bool) -> list[wire.Block]:
    """Return the block that ends a cached prefix, none where nothing is to be cached or the model cannot."""
    if cache is None:
        return []
    if not caches:
        losses.drop("cache_control")
        return []
    return [wire.Block(cache_point=wire.CachePoint(type="default", ttl=cache.ttl))]


def _to_block(part: hub.ContentPart, path: str, losses: Losses) -> wire.Block | None:
    match part:
        case hub.TextPart(text=text) | hub.RefusalPart(refusal=text):
            return wire.Block(text=text) if text.strip() else None
        case hub.ImagePart(image_url=image):
            if image.detail in {"low", "original"}:
                losses.drop(f"{path}.image_url.detail")
            return wire.Block(image=_to_media(image.url, _IMAGES, "image", f"{path}.image_url.url"))
        case hub.VideoPart(video_url=video):
            return wire.Block(video=_to_media(video.url, _VIDEOS, "video", f"{path}.video_url.url"))
        case hub.AudioPart() | hub.AudioURLPart():
            return wire.Block(audio=_audio(part, path))
        case hub.FilePart(file=file):
            return _from_file(file, f"{path}.file")


def _audio(part: hub.AudioPart | hub.AudioURLPart, path: str) -> wire.Media:
    if isinstance(part, hub.AudioURLPart) and _S3.fullmatch(part.audio_url.url) is not None:
        return _to_media(part.audio_url.url, {name: name for name in _AUDIO}, "audio", f"{path}.audio_url.url")
    audio, form = inline(part, path), "format"
    path = f"{path}.input_audio" if isinstance(part, hub.AudioPart) else f"{path}.audio_url"
    if audio.format.lower() not in _AUDIO:
        message = "This provider does not take audio of this format."
        raise _unsupported(message, f"{path}.{form}" if isinstance(part, hub.AudioPart) else f"{path}.url")
    data = _checked(audio.data, f"{path}.data" if isinstance(part, hub.AudioPart) else f"{path}.url")
    return wire.Media(format=audio.format.lower(), source=wire.MediaSource(bytes=data))


def _to_media(url: str, types: Mapping[str, str], what: str, path: str) -> wire.Media:
    stored = _S3.fullmatch(url)
    if stored is not None:
        suffix = stored[1].lower()
        known = _BY_SUFFIX.get(suffix, suffix)
        if known not in types.values():
            raise _unsupported(f"The address does not end with a known {what} format.", path)
        return wire.Media(format=known, source=wire.MediaSource(s3_location=wire.S3Location(uri=url)))
    media_type, data = _split_data_url(url, path)
    found = types.get(media_type)
    if found is None:
        raise _unsupported(f"This provider does not take this {what} format.", path)
    return wire.Media(format=found, source=wire.MediaSource(bytes=data))


def _from_file(file: hub.FileData, path: str) -> wire.Block:
    url = file.file_data
    if url is None:
        message = "This provider keeps no files: send the content as 'file_data'."
        raise _unsupported(message, f"{path}.file_id")
    path = f"{path}.file_data"
    if url.startswith(_PDF_START):
        url = f"data:application/pdf;base64,{url}"
    if url[:5].lower() == "data:":
        media_type = _split_data_url(url, path)[0]
        if media_type in _IMAGES:
            return wire.Block(image=_to_media(url, _IMAGES, "image", path))
        if media_type in _VIDEOS:
            return wire.Block(video=_to_media(url, _VIDEOS, "video", path))
    media = _to_media(url, _DOCUMENTS, "document", path)
    return wire.Block(document=wire.Document(format=media.format, name=_to_name(file.filename), source=media.source))


def _to_name(filename: str | None) -> str:
    """Return a name of the allowed characters; the provider refuses dots and repeated spaces."""
    name = " ".join(_FORBIDDEN.sub(" ", filename or "").split())[:_MAX_NAME_CHARS].strip()
    return name or "document"


def _split_data_url(url: str, path: str) -> tuple[str, str]:
    """Return media type in lower case and base64 data."""
    head = _DATA_URL.match(url)
    if head is None:
        message = "This provider fetches nothing from the web: send the content as a base64 data URL."
        raise _unsupported(message, path)
    if ";base64" not in head[2].lower():
        raise _invalid("A data URL must be base64.", path)
    return head[1].strip().lower(), _checked(url[head.end() :], path)


def _checked(data: str, path: str) -> str:
    """Return base64 that the provider's decoder takes: line breaks are dropped, padding is required."""
    if not _BASE64.fullmatch(data):
        data = "".join(data.split())
    if not data or len(data) % 4 or not _BASE64.fullmatch(data):
        raise _invalid("The content is no base64.", path)
    return data


def to_encrypted(redacted: str) -> str | None:
    """Return what a model encrypted, as Claude's own API writes it; None where it is something else."""
    try:
        return base64.b64decode(redacted, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None


def from_encrypted(data: str) -> str:
    """Return the way back of `to_encrypted`."""
    return base64.b64encode(data.encode("utf-8", "surrogatepass")).decode("ascii")


def _unsupported(message: str, path: str) -> ProviderError:
    return ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param=path)


def _invalid(message: str, path: str) -> ProviderError:
    return ProviderError(ErrorKind.INVALID_REQUEST, message, param=path)
