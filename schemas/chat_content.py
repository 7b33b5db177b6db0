"""The parts of a message's content: texts, images, recordings, videos, files; knows no role and no provider."""

from typing import Literal

from schemas.request_struct import CacheControl, PromptCacheBreakpoint, RequestStruct


class ContentPartBase(RequestStruct, frozen=True, kw_only=True, tag_field="type"):
    """What every content part may carry beside its content."""

    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None
    cache_control: CacheControl | None = None


class TextPart(ContentPartBase, frozen=True, kw_only=True, tag="text"):
    """Plain text."""

    text: str


class ImageURL(RequestStruct, frozen=True, kw_only=True):
    """`url` is an http(s) URL or a `data:` URL with base64 content."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(ContentPartBase, frozen=True, kw_only=True, tag="image_url"):
    """An image."""

    image_url: ImageURL


class InputAudio(RequestStruct, frozen=True, kw_only=True):
    """`data` is base64; `format` names the container."""

    data: str
    format: str


class AudioPart(ContentPartBase, frozen=True, kw_only=True, tag="input_audio"):
    """Recorded audio."""

    input_audio: InputAudio


class AudioURL(RequestStruct, frozen=True, kw_only=True):
    """`url` is an http(s) URL or a `data:` URL with base64 content."""

    url: str


class AudioURLPart(ContentPartBase, frozen=True, kw_only=True, tag="audio_url"):
    """Recorded audio (superset: as vLLM spells it)."""

    audio_url: AudioURL


class FileData(RequestStruct, frozen=True, kw_only=True):
    """Either `file_data` (a `data:` URL with base64 content) or `file_id` (an uploaded file)."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(ContentPartBase, frozen=True, kw_only=True, tag="file"):
    """A document, for example a PDF."""

    file: FileData


class VideoPart(ContentPartBase, frozen=True, kw_only=True, tag="video_url"):
    """A video (superset: as vLLM and OpenRouter spell it)."""

    video_url: ImageURL


class RefusalPart(ContentPartBase, frozen=True, kw_only=True, tag="refusal"):
    """A refusal by the model, only in assistant messages."""

    refusal: str


ContentPart = TextPart | ImagePart | AudioPart | AudioURLPart | FilePart | VideoPart | RefusalPart
Content = str | list[ContentPart]
TextContent = str | list[TextPart]
