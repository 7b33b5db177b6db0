"""The conversation: hub messages to system blocks and alternating turns; knows no parameter.

What the API demands: turns alternate and begin with the user, every tool call is answered in the next user turn,
reasoning comes first in the assistant's turn, no text is blank, and a last assistant turn has no trailing whitespace.
Source: https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html, checked 2026-11-24.
"""

from typing import Final

from msgspec import Raw
from msgspec.structs import replace

from adapters.anthropic.reasoning import to_thinking_blocks
from adapters.base import Losses
from adapters.bedrock.documents import Titles
from adapters.bedrock.models import CLAUDE_FORMAT, Traits
from adapters.bedrock.parts import from_encrypted, to_blocks, to_cache_points
from adapters.tool_history import called
from adapters.tool_names import ToolNames
from adapters.turns import Turns
from schemas import chat_request as hub
from schemas.anthropic.request import ThinkingBlock
from schemas.bedrock import request as wire

_EMPTY_RESULT: Final = "(no output)"


class Conversation:
    """Collects one request's turns."""

    def __init__(self, names: ToolNames, traits: Traits, losses: Losses, *, keep_reasoning: bool) -> None:
        self.system: list[wire.Block] = []
        self.tools_called: dict[str, None] = {}
        self._names = names
        self._traits = traits
        self._losses = losses
        self._keep_reasoning = keep_reasoning
        self._caches = traits.caches != "none"
        self._knows_status = traits.family in {"claude", "nova", "nova2"}
        self._turns: Turns[wire.Block] = Turns(lambda text: wire.Block(text=text))

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
                call_id = self._turns.calls.result(message.tool_call_id, f"{path}.tool_call_id")
                blocks = self._blocks(message.content, path)
                self._add_result(call_id, blocks, path, is_error=bool(message.is_error))
                self._turns.of("user").extend(self._cache_points(message.cache_control))
            case hub.FunctionMessage():
                raise AssertionError("functions are tools by now")

    def finish(self) -> list[wire.Message]:
        """Return the turns; raises `ProviderError` where there are none or a tool call has no result."""
        turns = self._turns.finish(self._instructions_alone)
        if turns[-1][0] == "assistant":
            last = turns[-1][1][-1]
            if last.text is not None:
                turns[-1][1][-1] = replace(last, text=last.text.rstrip())
        titles = Titles()
        return [wire.Message(role=role, content=titles.named(made)) for role, made in turns]

    def _instructions_alone(self) -> list[wire.Block]:
        instructions, self.system = self.system, []
        return instructions

    def _blocks(self, content: hub.Content | None, path: str) -> list[wire.Block]:
        return to_blocks(content, f"{path}.content", self._losses, caches=self._caches)

    def _cache_points(self, cache: hub.CacheControl | None) -> list[wire.Block]:
        return to_cache_points(cache, self._losses, caches=self._caches)

    def _add_system(self, message: hub.SystemMessage | hub.DeveloperMessage, path: str) -> None:
        content: hub.Content = message.content if isinstance(message.content, str) else [*message.content]
        blocks = self._blocks(content, path)
        self.system += blocks
        if blocks:
            self.system += self._cache_points(message.cache_control)

    def _add_user(self, message: hub.UserMessage, path: str) -> None:
        self._turns.begin("user")
        if message.name is not None:
            self._losses.drop(f"{path}.name")
        blocks = self._blocks(message.content, path)
        if blocks:
            blocks += self._cache_points(message.cache_control)
        self._turns.of("user").extend(blocks)

    def _add_assistant(self, message: hub.AssistantMessage, path: str) -> None:
        self._turns.begin("assistant")
        if message.audio is not None:
            self._losses.drop(f"{path}.audio")
        blocks = self._reasoning(message) if self._keep_reasoning else []
        blocks += self._assistant_text(message, path)
        for index, call in enumerate(message.tool_calls or ()):
            blocks.append(self._call(call, f"{path}.tool_calls[{index}]"))
        if blocks:
            self._turns.of("assistant").extend([*blocks, *self._cache_points(message.cache_control)])

    def _reasoning(self, message: hub.AssistantMessage) -> list[wire.Block]:
        """Return the model family's own signed reasoning, and nothing else: models refuse what is not theirs."""
        if self._traits.reasoning_format != CLAUDE_FORMAT:
            return _own_reasoning(message, self._traits.reasoning_format)
        blocks: list[wire.Block] = []
        for thought in to_thinking_blocks(message):
            if isinstance(thought, ThinkingBlock):
                text = wire.ReasoningText(text=thought.thinking, signature=thought.signature)
                blocks.append(wire.Block(reasoning_content=wire.ReasoningContent(reasoning_text=text)))
            else:
                redacted = wire.ReasoningContent(redacted_content=from_encrypted(thought.data))
                blocks.append(wire.Block(reasoning_content=redacted))
        return blocks

    def _assistant_text(self, message: hub.AssistantMessage, path: str) -> list[wire.Block]:
        images: hub.Content = [*message.images] if message.images else ""
        shown = to_blocks(images, f"{path}.images", self._losses, caches=self._caches)
        blocks: list[wire.Block] = []
        for block in (*self._blocks(message.content, path), *shown):
            if block.text is None and block.cache_point is None:
                self._turns.show(block)
            else:
                blocks.append(block)
        if not blocks and message.refusal and message.refusal.strip():
            blocks.append(wire.Block(text=message.refusal))
        return blocks

    def _call(self, call: hub.ToolCall, path: str) -> wire.Block:
        name, arguments = called(call, path)
        return self._tool_use(self._turns.calls.call(call.id, path), name, arguments)

    def _tool_use(self, call_id: str, name: str, arguments: Raw) -> wire.Block:
        upstream = self._names.native(name)
        self.tools_called[upstream] = None
        return wire.Block(tool_use=wire.ToolUse(tool_use_id=call_id, name=upstream, input=arguments))

    def _add_result(self, call_id: str, blocks: list[wire.Block], path: str, *, is_error: bool) -> None:
        contents: list[wire.ToolResultContent] = []
        after: list[wire.Block] = []
        for block in blocks:
            if block.cache_point is not None or block.audio is not None:
                after.append(block)  # has no place inside a result
            else:
                contents.append(
                    wire.ToolResultContent(
                        text=block.text, image=block.image, video=block.video, document=block.document
                    )
                )
        result = wire.ToolResult(
            tool_use_id=call_id,
            content=contents or [wire.ToolResultContent(text=_EMPTY_RESULT)],
            status="error" if is_error and self._knows_status else None,
        )
        if is_error and not self._knows_status:
            self._losses.drop(f"{path}.is_error")
        self._turns.of("user").extend([wire.Block(tool_result=result), *after])


def _own_reasoning(message: hub.AssistantMessage, reasoning_format: str) -> list[wire.Block]:
    blocks: list[wire.Block] = []
    for detail in message.reasoning_details or ():
        if detail.format != reasoning_format:
            continue
        if detail.type == "reasoning.encrypted" and detail.data:
            blocks.append(wire.Block(reasoning_content=wire.ReasoningContent(redacted_content=detail.data)))
        elif detail.signature:
            text = wire.ReasoningText(text=detail.text or "", signature=detail.signature)
            blocks.append(wire.Block(reasoning_content=wire.ReasoningContent(reasoning_text=text)))
    return blocks
