"""Recorded audio in one of its two forms, for providers that know the other; knows no provider."""

import re
from typing import Final

from adapters.errors import ErrorKind, ProviderError
from schemas.chat_request import AudioPart, AudioURLPart, InputAudio

_DATA_URL: Final = re.compile(r"data:audio/([a-z0-9.+-]+)(?:;[^,;]+)*;base64,", re.IGNORECASE)
_FORMATS: Final = {
    "mpeg": "mp3",
    "mpga": "mp3",
    "mp4": "m4a",
    "vnd.wave": "wav",
    "wave": "wav",
    "x-aac": "aac",
    "x-flac": "flac",
    "x-m4a": "m4a",
    "x-wav": "wav",
}
"""Names of media types that are not those of `input_audio.format`."""


def inline(part: AudioPart | AudioURLPart, path: str) -> InputAudio:
    """Return a recording as base64 and format; raises `ProviderError` for one that stands at an address."""
    if isinstance(part, AudioPart):
        return part.input_audio
    url = part.audio_url.url
    head = _DATA_URL.match(url)
    if head is None:
        message = "This model takes audio as base64 only: as 'input_audio', or as a URL 'data:audio/wav;base64,...'."
        raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param=f"{path}.audio_url.url")
    subtype = head[1].lower()
    return InputAudio(data=url[head.end() :], format=_FORMATS.get(subtype, subtype))
