"""The conversation: hub messages to Cohere's; knows no parameter.

Instructions stand first, in one message: the API refuses them elsewhere. No message is empty: a user's that
follows an answer is put in words. Source:
https://docs.cohere.com/v2/reference/chat and https://docs.cohere.com/v2/reference/errors, checked 2026-11-24.
"""

from typing import Final

import msgspec

from adapters import free_text
from adapters.base import BLANK_MESSAGE, Losses
from adapters.cohere.parts import to_blocks
from adapters.errors import ErrorKind, ProviderError
from adapters.media import FROM_ANSWER
from adapters.plain_reasoning import plain_reasoning
from adapters.tool_history import UniqueCalls, checked_arguments
from adapters.tool_names import ToolNames
from schemas import chat_request as hub
from schemas import cohere as wire

_ENCODER: Final = msgspec.json.Encoder()
_IMAGE_FOLLOWS: Final = "The result is shown in the next message."


class Conversation:
    """Collects one request's messages and the documents that its users attached.

    `files_as_text` puts the documents into the messages: Cohere takes none beside a form of the answer.
    """

    def __init__(self, names: ToolNames, losses: Losses, *, thinks: bool, files_as_text: bool) -> None:
        self.documents: list[wire.Document] = []
        self._names = names
        self._losses = losses
        self._thinks = thinks
        self._files_as_text = files_as_text
        self._ids = UniqueCalls()
        self._system: list[wire.TextContent] = []
        self._messages: list[wire.Message] = []
        self._user_images: list[wire.TextContent | wire.ImageContent] = []

    def add(self, message: hub.Message, path: str) -> None:
        """Take the next message, which stands at `path`; raises `ProviderError` for what cannot be carried."""
        if not isinstance(message, hub.FunctionMessage):
            self._note_losses(message, path)
        match message:
            case hub.SystemMessage() | hub.DeveloperMessage():
                content: hub.Content = message.content if isinstance(message.content, str) else [*message.content]
                self._system += to_blocks(content, f"{path}.content", self._losses).texts
            case hub.UserMessage():
                self._add_user(message, path)
            case hub.AssistantMessage():
                self._add_assistant(message, path)
            case hub.ToolMessage():
                call_id = self._ids.result(message.tool_call_id, f"{path}.tool_call_id")
                self._add_result(call_id, message.content, path, is_error=bool(message.is_error))
            case hub.FunctionMessage():
                raise AssertionError("functions are tools by now")

    def finish(self) -> list[wire.Message]:
        """Return the messages; raises `ProviderError` where there are none or a tool call has no result."""
        self._end_results()
        system = self._system
        if not self._messages and system:
            self._messages.append(wire.UserMessage(content=system.pop().text))  # instructions alone are what is asked
        if not self._messages:
            raise ProviderError(ErrorKind.INVALID_REQUEST, "The messages have no content.", param="messages")
        if not system:
            return self._messages
        return [wire.SystemMessage(content=system[0].text if len(system) == 1 else system), *self._messages]

    def _note_losses(
        self,
        message: hub.SystemMessage | hub.DeveloperMessage | hub.UserMessage | hub.AssistantMessage | hub.ToolMessage,
        path: str,
    ) -> None:
        if message.cache_control is not None:
            self._losses.drop("cache_control")
        if message.name is not None and not isinstance(message, hub.ToolMessage):
            self._losses.drop(f"{path}.name")

    def _add_user(self, message: hub.UserMessage, path: str) -> None:
        self._end_results()
        blocks = to_blocks(message.content, f"{path}.content", self._losses, files_as_text=self._files_as_text)
        self.documents += blocks.documents
        match blocks.shown:
            case []:
                if self._messages and isinstance(self._messages[-1], wire.AssistantMessage):
                    self._messages.append(wire.UserMessage(content=BLANK_MESSAGE))
            case [wire.TextContent(text=text)]:
                self._messages.append(wire.UserMessage(content=text))
            case shown:
                self._messages.append(wire.UserMessage(content=shown))

    def _add_assistant(self, message: hub.AssistantMessage, path: str) -> None:
        self._end_results()
        if message.audio is not None:
            self._losses.drop(f"{path}.audio")
        texts: list[wire.TextContent | wire.ThinkingContent] = [*self._assistant_texts(message, path)]
        calls = [self._call(call, f"{path}.tool_calls[{index}]") for index, call in enumerate(message.tool_calls or ())]
        plan = reasoning_of(message) if calls else None
        if plan and self._thinks:
            texts.insert(0, wire.ThinkingContent(thinking=plan))
            plan = None
        if texts or calls:
            self._messages.append(
                wire.AssistantMessage(content=texts or None, tool_calls=calls or None, tool_plan=plan or None)
            )

    def _assistant_texts(self, message: hub.AssistantMessage, path: str) -> list[wire.TextContent]:
        blocks = to_blocks(message.content, f"{path}.content", self._losses, files_as_text=self._files_as_text)
        images: hub.Content = [*message.images] if message.images else ""
        shown = [*blocks.images, *to_blocks(images, f"{path}.images", self._losses).images]
        if shown:
            self._user_images += [wire.TextContent(text=FROM_ANSWER), *shown]
        self.documents += blocks.documents
        if not blocks.texts and message.refusal:
            return [wire.TextContent(text=message.refusal)]
        return blocks.texts

    def _call(self, call: hub.ToolCall, path: str) -> wire.ToolCall:
        if isinstance(call, hub.CustomToolCall):
            name, arguments = call.custom.name, free_text.to_arguments(call.custom.input).decode()
        else:
            name = call.function.name
            arguments = checked_arguments(call.function.arguments, f"{path}.function.arguments")
        return self._tool_call(self._ids.call(call.id, path), name, arguments)

    def _tool_call(self, call_id: str, name: str, arguments: str) -> wire.ToolCall:
        function = wire.CalledFunction(name=self._names.native(name), arguments=arguments)
        return wire.ToolCall(id=call_id, function=function)

    def _add_result(self, call_id: str, content: hub.Content | None, path: str, *, is_error: bool) -> None:
        blocks = to_blocks(content, f"{path}.content", self._losses)
        self._user_images += blocks.images
        text = "".join(block.text for block in blocks.texts)
        if is_error:
            text = _ENCODER.encode({"error": text}).decode()
        if not text and blocks.images:
            text = _IMAGE_FOLLOWS
        result: str | list[wire.TextContent | wire.DocumentContent] = text
        if blocks.documents:
            texts = [wire.TextContent(text=text)] if text else []
            result = [*texts, *(wire.DocumentContent(document=document) for document in blocks.documents)]
        self._messages.append(wire.ToolMessage(tool_call_id=call_id, content=result))

    def _end_results(self) -> None:
        """End a round of results: all are there; their images, and the answer's, are shown to the model by the user."""
        self._ids.expect_none()
        if self._user_images:
            self._messages.append(wire.UserMessage(content=self._user_images))
            self._user_images = []


def reasoning_of(message: hub.AssistantMessage) -> str | None:
    """Return the readable reasoning of an earlier answer; another provider's, known by its details, is none."""
    details = message.reasoning_details
    if details and all(detail.format is not None for detail in details):
        return None
    return plain_reasoning(message) or None
