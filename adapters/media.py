"""Media in a conversation that stand at addresses of the web: where they are, and their content in their place.

Knows no provider. Paths are JSON paths into the request, as errors name them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol, runtime_checkable

from msgspec.structs import replace

from adapters.base import Call
from schemas.chat_request import (
    AssistantMessage,
    AudioURLPart,
    ContentPart,
    FilePart,
    ImagePart,
    Message,
    ToolMessage,
    UserMessage,
    VideoPart,
)

MediaKind = Literal["image", "video", "audio", "file"]
FROM_ANSWER: Final = "(shown in the assistant's answer before)"
"""Stands before media of an earlier answer, where a provider takes media from users alone."""


class WebAddress(NamedTuple):
    """A part whose content stands at an http or https URL."""

    path: str
    kind: MediaKind
    url: str


@runtime_checkable
class NeedsContent(Protocol):
    """An adapter whose provider does not read every address of the web itself."""

    def needs_content(self, address: WebAddress, call: Call) -> bool:
        """Whether the content at `address` has to be in the request."""
        ...


def is_web(url: str) -> bool:
    """Return whether a URL is one of the web."""
    return url[:8].lower().startswith(("http://", "https://"))


def web_addresses(messages: Sequence[Message]) -> Iterator[WebAddress]:
    """Yield the parts that stand at addresses of the web, in their order."""
    for index, message in enumerate(messages):
        for place, parts in _places(message):
            for number, part in enumerate(parts):
                found = _address(part, f"messages[{index}].{place}[{number}]")
                if found is not None:
                    yield found


def with_contents(messages: Sequence[Message], contents: Mapping[str, str]) -> list[Message]:
    """Return the messages with `data:` URLs in the place of addresses; `contents` are by the address's path."""
    changed: list[Message] = []
    for index, message in enumerate(messages):
        changes: dict[str, object] = {}
        for place, parts in _places(message):
            made = [
                _filled(part, f"messages[{index}].{place}[{number}]", contents) for number, part in enumerate(parts)
            ]
            if any(new is not old for new, old in zip(made, parts, strict=True)):
                changes[place] = made
        changed.append(replace(message, **changes) if changes else message)
    return changed


def _places(message: Message) -> Iterator[tuple[str, Sequence[ContentPart]]]:
    if isinstance(message, UserMessage | ToolMessage | AssistantMessage) and isinstance(message.content, list):
        yield "content", message.content
    if isinstance(message, AssistantMessage) and message.images:
        yield "images", message.images


def _address(part: ContentPart, path: str) -> WebAddress | None:
    match part:
        case ImagePart(image_url=link):
            found = WebAddress(f"{path}.image_url.url", "image", link.url)
        case VideoPart(video_url=link):
            found = WebAddress(f"{path}.video_url.url", "video", link.url)
        case AudioURLPart(audio_url=link):
            found = WebAddress(f"{path}.audio_url.url", "audio", link.url)
        case FilePart(file=file) if file.file_data is not None:
            found = WebAddress(f"{path}.file.file_data", "file", file.file_data)
        case _:
            return None
    return found if is_web(found.url) else None


def _filled(part: ContentPart, path: str, contents: Mapping[str, str]) -> ContentPart:
    address = _address(part, path)
    content = contents.get(address.path) if address is not None else None
    if content is None:
        return part
    match part:
        case ImagePart(image_url=link):
            return replace(part, image_url=replace(link, url=content))
        case VideoPart(video_url=link):
            return replace(part, video_url=replace(link, url=content))
        case AudioURLPart(audio_url=link):
            return replace(part, audio_url=replace(link, url=content))
        case FilePart(file=file):
            return replace(part, file=replace(file, file_data=content))
        case _:
            return part
