"""The conversation: hub messages to system blocks and alternating turns; knows no parameter.

What the API demands: turns alternate and begin with the user, every tool call is answered at the start of the next
user turn, thinking comes first in the assistant's turn, no text is blank, and a last assistant turn has no trailing
whitespace. Source: https://platform.claude.com/docs/en/api/messages/create, checked 2026-11-24.
"""

from typing import TypeVar

from msgspec import Raw
from msgspec.structs import replace

from adapters.anthropic.parts import to_blocks, to_cache_control
from adapters.anthropic.reasoning import to_thinking_blocks
from adapters.base import Losses
from adapters.tool_history import called
from adapters.tool_names import ToolNames
from adapters.turns import Turns
from schemas import chat_request as hub
from schemas.anthropic import request as wire

BlockT = TypeVar("BlockT", bound=wire.RequestBlock)


class Conversation:
    """Collects one request's turns."""

    def __init__(self, names: ToolNames, losses: Losses, *, keep_thinking: bool) -> None:
        self.system: list[wire.TextBlock] = []
        self.tools_called: dict[str, None] = {}
        self._names = names
        self._losses = losses
        self._keep_thinking = keep_thinking
        self._turns: Turns[wire.RequestBlock] = Turns(lambda text: wire.TextBlock(text=text))

    def add(self, message: hub.Message, path: str) -> None:
        """Take the next message, which stands at `path`; raises `ProviderError` for what cannot be carried."""
        match message:
            case hub.SystemMessage() | hub.DeveloperMessage():
                self._add_system(message, path)
            case hub.UserMessage():
                self._add_user(message, path)
            case hub.AssistantMessage():
                self._add_assistant(message, path)
            case hub.ToolMessage():
                self._add_result(message, path)
            case hub.FunctionMessage():
                raise AssertionError("functions are tools by now")

    def finish(self) -> list[wire.Message]:
        """Return the turns; raises `ProviderError` where there are none or a tool call has no result."""
        turns = self._turns.finish(self._instructions_alone)
        if turns[-1][0] == "assistant":
            _strip_end(turns[-1][1])
        return [wire.Message(role=role, content=blocks) for role, blocks in turns]

    def _instructions_alone(self) -> list[wire.RequestBlock]:
        return [self.system.pop()] if self.system else []

    def _add_system(self, message: hub.SystemMessage | hub.DeveloperMessage, path: str) -> None:
        content: hub.Content = message.content if isinstance(message.content, str) else [*message.content]
        blocks = [
            block
            for block in to_blocks(content, f"{path}.content", self._losses)
            if isinstance(block, wire.TextBlock)  # always: the hub's type knows no other
        ]
        self.system += _cached(blocks, message.cache_control)

    def _add_user(self, message: hub.UserMessage, path: str) -> None:
        self._turns.begin("user")
        if message.name is not None:
            self._losses.drop(f"{path}.name")
        blocks: list[wire.RequestBlock] = [*to_blocks(message.content, f"{path}.content", self._losses)]
        self._turns.of("user").extend(_cached(blocks, message.cache_control))

    def _add_assistant(self, message: hub.AssistantMessage, path: str) -> None:
        self._turns.begin("assistant")
        if message.audio is not None:
            self._losses.drop(f"{path}.audio")
        blocks: list[wire.RequestBlock] = []
        if self._keep_thinking:
            blocks += to_thinking_blocks(message)
        blocks += self._assistant_text(message, path)
        for index, call in enumerate(message.tool_calls or ()):
            blocks.append(self._call(call, f"{path}.tool_calls[{index}]"))
        self._turns.of("assistant").extend(_cached(blocks, message.cache_control))

    def _assistant_text(self, message: hub.AssistantMessage, path: str) -> list[wire.TextBlock]:
        blocks: list[wire.TextBlock] = []
        images: hub.Content = [*message.images] if message.images else ""
        for block in (
            *to_blocks(message.content, f"{path}.content", self._losses),
            *to_blocks(images, f"{path}.images", self._losses),
        ):
            if isinstance(block, wire.TextBlock):
                blocks.append(block)
            else:
                self._turns.show(block)
        if not blocks and message.refusal and message.refusal.strip():
            blocks.append(wire.TextBlock(text=message.refusal))
        return blocks

    def _call(self, call: hub.ToolCall, path: str) -> wire.ToolUseBlock:
        name, arguments = called(call, path)
        return self._tool_use(self._turns.calls.call(call.id, path), name, arguments)

    def _tool_use(self, call_id: str, name: str, arguments: Raw) -> wire.ToolUseBlock:
        upstream = self._names.native(name)
        self.tools_called[upstream] = None
        return wire.ToolUseBlock(id=call_id, name=upstream, input=arguments)

    def _add_result(self, message: hub.ToolMessage, path: str) -> None:
        call_id = self._turns.calls.result(message.tool_call_id, f"{path}.tool_call_id")
        blocks = to_blocks(message.content, f"{path}.content", self._losses)
        result = wire.ToolResultBlock(
            tool_use_id=call_id,
            content=blocks or None,
            is_error=message.is_error or None,
            cache_control=to_cache_control(message.cache_control),
        )
        self._turns.of("user").append(result)


def lacks_thinking(messages: list[hub.Message]) -> bool:
    """Return whether the turn that awaits tool results has no thinking of its own to go on from."""
    for message in reversed(messages):
        if isinstance(message, hub.ToolMessage | hub.SystemMessage | hub.DeveloperMessage):
            continue
        return (
            isinstance(message, hub.AssistantMessage) and bool(message.tool_calls) and not to_thinking_blocks(message)
        )
    return False


def _cached(blocks: list[BlockT], cache: hub.CacheControl | None) -> list[BlockT]:
    """Set a message's breakpoint on the last of its blocks that can have one."""
    if cache is None:
        return blocks
    for index in range(len(blocks) - 1, -1, -1):
        block = blocks[index]
        if not isinstance(block, wire.ThinkingBlock | wire.RedactedThinkingBlock):
            blocks[index] = replace(block, cache_control=to_cache_control(cache))
            break
    return blocks


def _strip_end(blocks: list[wire.RequestBlock]) -> None:
    last = blocks[-1]
    if isinstance(last, wire.TextBlock):
        blocks[-1] = replace(last, text=last.text.rstrip())
