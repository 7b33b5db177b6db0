"""Content parts of messages to Gemini's parts; knows no turn and no tool.

Media travel inline from `data:` URLs and base64, by reference where Google reads the reference itself: the Files API,
`gs://`, YouTube, and of the web https addresses of texts, PDFs, images and videos, of up to 100 MB
(https://ai.google.dev/gemini-api/docs/file-input-methods, checked 2026-11-27; the option `fetch_urls` overrules it).
"""

import re
from collections.abc import Mapping
from typing import Final

from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.google.models import ModelFacts, WebReading
from adapters.media import MediaKind, is_web
from schemas.chat_request import (
    AudioPart,
    AudioURLPart,
    Content,
    ContentPart,
    FilePart,
    ImagePart,
    ImageURL,
    RefusalPart,
    TextPart,
    VideoPart,
)
from schemas.google.request import Blob, FileData, Part

FILES_URL: Final = "https://generativelanguage.googleapis.com/v1beta/"
_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[^;,]*)*?);base64,", re.IGNORECASE)
_OWN_URL: Final = re.compile(
    r"gs://.|https://generativelanguage\.googleapis\.com/|https?://(?:(?:www|m)\.)?youtube\.com/|https?://youtu\.be/"
)
_YOUTUBE: Final = re.compile(r"https?://(?:(?:www|m)\.)?youtu")
# What a file is taken for where neither its address nor the platform says it.
_ASSUMED_TYPES: Final = {"image": "image/jpeg", "video": "video/mp4", "file": "application/pdf"}
# Of the types above, those that the Gemini API does not say it reads at addresses of the web.
_NOT_AT_ADDRESSES: Final = frozenset({"image/gif", "image/heic", "text/markdown"})
_AUDIO_TYPES: Final = {"mp3": "audio/mp3", "wav": "audio/wav", "pcm16": "audio/pcm", "m4a": "audio/mp4"}
_FILE_TYPES: Final = {
    "aac": "audio/aac",
    "avi": "video/x-msvideo",
    "csv": "text/csv",
    "flac": "audio/flac",
    "gif": "image/gif",
    "heic": "image/heic",
    "html": "text/html",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "m4a": "audio/mp4",
    "md": "text/markdown",
    "mov": "video/quicktime",
    "mp3": "audio/mp3",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "ogg": "audio/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "txt": "text/plain",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "xml": "text/xml",
}
_INSTEAD: Final = " Send the content itself as a data: URL with base64."
_UNREAD: Final[Mapping[WebReading, str]] = {
    "none": "This model reads no web addresses but YouTube's, Cloud Storage's (gs://) and those of Google's Files API."
    + _INSTEAD,
    "documented": "This model reads https addresses of texts, PDFs, videos and images (PNG, JPEG, WebP or BMP) alone."
    + _INSTEAD,
    "all": "This model reads addresses of the web, of Cloud Storage (gs://) and of Google's Files API, no others."
    + _INSTEAD,
}


class PartWriter:
    """Writes the parts of one request."""

    def __init__(self, facts: ModelFacts, losses: Losses) -> None:
        self._facts = facts
        self._losses = losses

    def parts(self, content: Content | None, path: str) -> list[Part]:
        """Return the parts without empty texts. `path` is the content's JSON path."""
        if content is None or isinstance(content, str):
            return [Part(text=content)] if content else []
        found: list[Part] = []
        for index, part in enumerate(content):
            if part.cache_control is not None or part.prompt_cache_breakpoint is not None:
                self._losses.drop("cache_control")  # Gemini caches by itself
            written = self._part(part, f"{path}[{index}]")
            if written is not None:
                found.append(written)
        return found

    def _part(self, part: ContentPart, path: str) -> Part | None:
        match part:
            case TextPart(text=text) | RefusalPart(refusal=text):
                return Part(text=text) if text else None
            case ImagePart(image_url=image):
                return self._linked(image, f"{path}.image_url", "image")
            case VideoPart(video_url=video):
                return self._linked(video, f"{path}.video_url", "video")
            case AudioURLPart(audio_url=recording):
                return self._from_url(recording.url, f"{path}.audio_url.url", "audio")
            case AudioPart(input_audio=audio):
                mime_type = _AUDIO_TYPES.get(audio.format.lower(), f"audio/{audio.format.lower()}")
                return Part(inline_data=Blob(mime_type=mime_type, data=audio.data))
            case FilePart():
                return self._file(part, f"{path}.file")

    def _linked(self, link: ImageURL, path: str, kind: MediaKind) -> Part:
        if link.detail not in {None, "auto"}:
            self._losses.drop(f"{path}.detail")
        return self._from_url(link.url, f"{path}.url", kind)

    def _file(self, part: FilePart, path: str) -> Part:
        file = part.file
        if file.file_data is not None:
            if file.file_data[:8].lower().startswith(("data:", "http://", "https://", "gs://")):
                return self._from_url(file.file_data, f"{path}.file_data")
            mime_type = _type_of(file.filename or "") or "application/pdf"
            return Part(inline_data=Blob(mime_type=mime_type, data=file.file_data))
        if file.file_id is not None:
            uri = FILES_URL + file.file_id if file.file_id.startswith("files/") else file.file_id
            return self._from_url(uri, f"{path}.file_id")
        raise _refusal("A file needs 'file_data' or 'file_id'.", path)

    def _from_url(self, url: str, path: str, kind: MediaKind = "file") -> Part:
        if url[:5].lower() == "data:":
            return Part(inline_data=_inline(url, path))
        if not reads(url, kind, self._facts):
            raise _unsupported(_UNREAD[self._facts.reads_web], path)
        is_video = _YOUTUBE.match(url) is not None
        mime_type = None if is_video else _type_of(url.partition("?")[0])
        if mime_type is None and (self._facts.needs_media_types or _OWN_URL.match(url) is None):
            mime_type = _ASSUMED_TYPES["video" if is_video else kind]
        return Part(file_data=FileData(file_uri=url, mime_type=mime_type))


def reads(url: str, kind: MediaKind, facts: ModelFacts) -> bool:
    """Return whether Google reads what stands at an address."""
    if _OWN_URL.match(url) is not None:
        return True
    if facts.reads_web == "none" or not is_web(url):
        return False
    if facts.reads_web == "all":
        return True
    mime_type = _type_of(url.partition("?")[0]) or kind
    return url[:8].lower() == "https://" and mime_type[:5] != "audio" and mime_type not in _NOT_AT_ADDRESSES


def _inline(url: str, path: str) -> Blob:
    found = _DATA_URL.match(url)
    if found is None or not found[1]:
        raise _refusal("A data: URL must name its media type and hold base64: 'data:image/png;base64,...'.", path)
    return Blob(mime_type=found[1].lower(), data=url[found.end() :])


def _type_of(name: str) -> str | None:
    return _FILE_TYPES.get(name.rpartition(".")[2].lower())


def _unsupported(message: str, path: str) -> ProviderError:
    return ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param=path)


def _refusal(message: str, path: str) -> ProviderError:
    return ProviderError(ErrorKind.INVALID_REQUEST, message, param=path)
