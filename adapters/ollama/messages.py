"""The conversation: hub messages to Ollama's; knows no parameter.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md, checked 2026-11-26. A message has one text and a list of
images before it: content in another order becomes several messages of the same role, as Ollama's OpenAI-format endpoint
makes it. Reasoning goes back with every answer: the model's template knows which turns it wants.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Raw

from adapters import free_text, tool_ids
from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.openai.history import readable_reasoning
from adapters.tool_history import ToolHistory, checked_arguments
from schemas import chat_request as hub
from schemas import ollama as wire

Role = Literal["system", "user", "assistant", "tool"]


class Conversation:
    """Collects one request's messages."""

    def __init__(self, losses: Losses) -> None:
        self.messages: list[wire.Message] = []
        self._losses = losses
        self._history = ToolHistory()

    def add(self, message: hub.Message, path: str) -> None:
        """Take the next message, which stands at `path`; raises `ProviderError` for what cannot be carried."""
        match message:
            case hub.ToolMessage():
                self._result(message.tool_call_id, f"{path}.tool_call_id", message.content, path)
                if message.is_error:
                    self._losses.drop(f"{path}.is_error")
            case hub.FunctionMessage():
                raise AssertionError("functions are tools by now")
            case hub.AssistantMessage():
                self._history.expect_none()
                self._note_losses(message, path)
                self._assistant(message, path)
            case hub.UserMessage():
                self._history.expect_none()
                self._note_losses(message, path)
                self.messages += self._turns("user", message.content, path)
            case hub.SystemMessage() | hub.DeveloperMessage():
                self._note_losses(message, path)
                self.messages += self._turns("system", message.content, path)

    def _result(self, call_id: str, id_path: str, content: hub.Content, path: str) -> None:
        name = self._history.result(call_id, id_path)
        text, images = self._joined(content, path)
        self.messages.append(
            wire.Message(
                role="tool", content=text, images=images or None, tool_name=name, tool_call_id=_legal_id(call_id)
            )
        )

    def _assistant(self, message: hub.AssistantMessage, path: str) -> None:
        if message.audio is not None:
            raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, "This model does not speak.", param=f"{path}.audio")
        text, images = self._joined(message.content or "", path)
        images += [self._part(part, f"{path}.images[{index}]")[0] for index, part in enumerate(message.images or ())]
        self.messages.append(
            wire.Message(
                role="assistant",
                content=text or message.refusal or "",
                thinking=readable_reasoning(message) or None,
                images=images or None,
                tool_calls=self._calls(message, path) or None,
            )
        )

    def _calls(self, message: hub.AssistantMessage, path: str) -> list[wire.ToolCall]:
        calls: list[wire.ToolCall] = []
        for index, call in enumerate(message.tool_calls or ()):
            call_path = f"{path}.tool_calls[{index}]"
            if isinstance(call, hub.CustomToolCall):
                arguments = free_text.to_arguments(call.custom.input).decode()
                called = hub.FunctionCall(name=call.custom.name, arguments=arguments)
            else:
                called = call.function
            calls.append(self._call(call.id, called, call_path, f"{call_path}.function.arguments"))
        return calls

    def _call(self, call_id: str, called: hub.FunctionCall, path: str, arguments_path: str) -> wire.ToolCall:
        self._history.call(call_id, path, called.name)
        arguments = checked_arguments(called.arguments, arguments_path).encode("utf-8", "replace")
        function = wire.CalledFunction(name=called.name, arguments=Raw(arguments))
        return wire.ToolCall(id=_legal_id(call_id), function=function)

    def _turns(self, role: Role, content: hub.Content | hub.TextContent, path: str) -> list[wire.Message]:
        """Return the content in messages that each have their images before their text."""
        if isinstance(content, str):
            return [wire.Message(role=role, content=content)]
        turns: list[tuple[list[str], list[str]]] = [([], [])]
        switches = sum(type(one) is not type(other) for one, other in pairwise(content))
        for index, part in enumerate(content):
            said, is_image = self._part(part, f"{path}.content[{index}]")
            images, texts = turns[-1]
            if is_image and texts and switches > 1:
                turns.append(([said], []))
            else:
                (images if is_image else texts).append(said)
        return [wire.Message(role=role, content="".join(texts), images=images or None) for images, texts in turns]

    def _joined(self, content: hub.Content, path: str) -> tuple[str, list[str]]:
        """Return the text and the images of content that must stay one message."""
        if isinstance(content, str):
            return content, []
        parts = [self._part(part, f"{path}.content[{index}]") for index, part in enumerate(content)]
        texts = [said for said, is_image in parts if not is_image]
        return "".join(texts), [said for said, is_image in parts if is_image]

    def _part(self, part: hub.ContentPart, path: str) -> tuple[str, bool]:
        """Return a text, or an image in base64 and that it is one."""
        for name in ("cache_control", "prompt_cache_breakpoint"):
            if getattr(part, name) is not None:
                self._losses.drop(name)
        match part:
            case hub.TextPart(text=text):
                return text, False
            case hub.RefusalPart(refusal=text):
                return text, False
            case hub.ImagePart(image_url=image):
                if image.detail not in {None, "auto"}:
                    self._losses.drop(f"{path}.image_url.detail")
                return _base64(image.url, f"{path}.image_url.url"), True
            case _:
                message = "This model takes texts and images only."
                raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param=path)

    def _note_losses(
        self, message: hub.SystemMessage | hub.DeveloperMessage | hub.UserMessage | hub.AssistantMessage, path: str
    ) -> None:
        if message.name is not None:
            self._losses.drop(f"{path}.name")
        if message.cache_control is not None:
            self._losses.drop("cache_control")


def to_ollama_messages(messages: Sequence[hub.Message], losses: Losses) -> list[wire.Message]:
    """Return the messages; raises `ProviderError` for what cannot be sent, with its JSON path."""
    conversation = Conversation(losses)
    for index, message in enumerate(messages):
        conversation.add(message, f"messages[{index}]")
    return conversation.messages


def _legal_id(call_id: str) -> str:
    return call_id if tool_ids.is_legal(call_id) else tool_ids.minted(call_id)


def _base64(url: str, path: str) -> str:
    head, mark, data = url.partition(",")
    if head.startswith("data:") and head.endswith(";base64") and mark:
        return data
    message = "This model takes images as 'data:' URLs with base64 content only."
    raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param=path)
