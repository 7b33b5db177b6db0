"""Pieces that whole answers and stream items have in common, from wire to hub; knows neither."""

from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from adapters.errors import UNREADABLE
from schemas.chat_request import ExtraContent, ReasoningDetail
from schemas.chat_response import Annotation, ChoiceLogprobs, MessageImage, MessageImageURL
from schemas.openai import Optional, WireFunction, WireImage, WireImageURL, WireMessage, WirePart, WireReasoning

NULL: Final = Raw(b"null")
ABSENT: Final = (UNSET, NULL)
_NONE_AT_ALL: Final = (UNSET, Raw(b"[]"), NULL)
T = TypeVar("T")
_ANNOTATIONS: Final = msgspec.json.Decoder(list[Annotation])
_ANNOTATION: Final = msgspec.json.Decoder(Annotation)
_EACH: Final = msgspec.json.Decoder(list[Raw])
_DETAILS: Final = msgspec.json.Decoder(list[ReasoningDetail])
_IMAGES: Final = msgspec.json.Decoder(list[WireImage])
_IMAGE_URL: Final = msgspec.json.Decoder(WireImageURL | str)
_EXTRA: Final = msgspec.json.Decoder(ExtraContent)
_LOGPROBS: Final = msgspec.json.Decoder(ChoiceLogprobs)


def is_given(raw: Optional) -> bool:
    """Return whether an optional field holds something other than `null`."""
    return raw is not UNSET and raw != NULL


def given(raw: Optional) -> Optional:
    """Return the field to be passed on, with `null` and what is no UTF-8 as absent."""
    if isinstance(raw, UnsetType) or raw == NULL:
        return UNSET
    try:
        bytes(raw).decode()
    except UnicodeDecodeError:
        return UNSET
    return raw


def has_text_only(message: WireMessage) -> bool:
    """Return whether a message or a piece of one holds a text, or nothing, and none of the many things beside it."""
    return (
        not isinstance(message.content, list)
        and message.tool_calls is None
        and not message.reasoning_content
        and not message.reasoning
        and not message.refusal
        and message.reasoning_details is UNSET
        and message.annotations in _NONE_AT_ALL
        and message.audio in ABSENT
        and message.extra_content is UNSET
        and message.images is UNSET
        and message.function_call is None
    )


def text_of(message: WireMessage) -> str | None:
    """Return the answer's text; of a list of parts the text parts, joined."""
    content = message.content
    if isinstance(content, list):
        return "".join(part.text or "" for part in content if part.type in {"text", None})
    return content


def reasoning_of(message: WireMessage) -> str | None:
    """Return the readable reasoning, in whichever place the server has it."""
    reasoning = message.reasoning_content or message.reasoning
    if isinstance(reasoning, WireReasoning):
        reasoning = reasoning.content
    if not reasoning and isinstance(message.content, list):
        reasoning = "".join(_thinking(part) for part in message.content if part.type == "thinking")
    if not reasoning and message.reasoning_details is not UNSET:
        details = to_reasoning_details(message.reasoning_details) or []
        reasoning = "".join(detail.text or detail.summary or "" for detail in details)
    return reasoning


def arguments_of(function: WireFunction) -> str:
    """Return a call's arguments as JSON text."""
    if isinstance(function.arguments, dict):
        return msgspec.json.encode(function.arguments).decode()
    return function.arguments or ""


def to_logprobs(raw: Optional) -> ChoiceLogprobs | None:
    """Return log probabilities, None where they have another form or there are none."""
    return _decoded(_LOGPROBS, raw) or None


def to_annotations(raw: Optional) -> list[Annotation] | UnsetType:
    """Return citations and files that were read, without those of another form; absent where there are none."""
    found = _decoded(_ANNOTATIONS, raw)
    if found is not UNSET or raw in _NONE_AT_ALL:
        return found or UNSET
    each = _decoded(_EACH, raw) or []
    return [note for one in each if not isinstance(note := _decoded(_ANNOTATION, one), UnsetType)] or UNSET


def to_reasoning_details(raw: Optional) -> list[ReasoningDetail] | UnsetType:
    """Return opaque reasoning, absent where it has another form or there is none."""
    return _decoded(_DETAILS, raw) or UNSET


def to_images(message: WireMessage) -> list[MessageImage] | UnsetType:
    """Return images that the model made, in either place; absent where they have another form or there are none."""
    images = _decoded(_IMAGES, message.images) or []
    if isinstance(message.content, list):
        images += [WireImage(image_url=WireImageURL(url=url)) for part in message.content if (url := _url(part))]
    return [
        MessageImage(
            image_url=MessageImageURL(url=image.image_url.url), index=position if image.index is None else image.index
        )
        for position, image in enumerate(images)
    ] or UNSET


def to_extra_content(raw: Optional) -> ExtraContent | UnsetType:
    """Return opaque provider state, absent where it has another form or is empty."""
    extra = _decoded(_EXTRA, raw)
    return UNSET if extra == ExtraContent() else extra


def _url(part: WirePart) -> str | None:
    """Return the address of an image among the content; some servers have it bare."""
    if part.type != "image_url" or isinstance(part.image_url, UnsetType):
        return None
    found = _decoded(_IMAGE_URL, part.image_url)
    if isinstance(found, UnsetType):
        return None
    return found if isinstance(found, str) else found.url


def _thinking(part: WirePart) -> str:
    if isinstance(part.thinking, list):
        return "".join(inner.text or "" for inner in part.thinking)
    return part.thinking or part.text or ""


def _decoded(decoder: msgspec.json.Decoder[T], raw: Optional) -> T | UnsetType:
    if isinstance(raw, UnsetType) or raw == NULL:
        return UNSET
    try:
        return decoder.decode(raw)
    except UNREADABLE:
        return UNSET
