"""The tool that a model calls with its answer where a provider has no form of the answer, or none beside tools.

Knows no provider's form. The tool stands beside the client's own, and a call is demanded: of one of those, or of this
one. What is said and called first counts, so that whole and streamed answers are alike and the answer can be streamed:
the arguments of its first call are the content, and text beside them is left out; once a tool of the client is called,
the tools win, and a later call of this one is dropped.
"""

from typing import Final

from schemas.chat_request import (
    AllowedToolsChoice,
    ChatRequest,
    CustomToolChoice,
    FunctionToolChoice,
    JsonSchema,
)

JSON_TOOL: Final = "json_tool_call"
_DESCRIPTION: Final = "Give the final answer by calling this tool with it."


def description_of(wanted: JsonSchema) -> str:
    """Return what the model is told of the tool."""
    return f"{_DESCRIPTION} {wanted.description}" if wanted.description else _DESCRIPTION


def demands_call(request: ChatRequest) -> bool:
    """Return whether the client wants a call of its own tools, so that no answer can follow a form."""
    match request.tool_choice:
        case "required" | FunctionToolChoice() | CustomToolChoice():
            return True
        case AllowedToolsChoice(allowed_tools=allowed):
            return allowed.mode == "required"
        case _:
            return False


class AnswerByTool:
    """Sorts the texts and calls of one answer. Text is held back until it is clear that it is all of the content."""

    def __init__(self) -> None:
        self.answered = False
        self._called = False
        self._held: list[str] = []

    def text(self, text: str) -> str:
        """Return the text to say now."""
        if self._called and not self.answered:
            return text
        if not self.answered:
            self._held.append(text)
        return ""

    def answer(self) -> bool:
        """Take a call of the tool; returns whether its arguments are the content."""
        if self.answered or self._called:
            return False
        self.answered = True
        self._held.clear()
        return True

    def call(self) -> str:
        """Take a call of the client's tools; returns the text before it."""
        self._called = True
        return self.end()

    def end(self) -> str:
        """Return the text that is left to say."""
        held = "".join(self._held)
        self._held.clear()
        return held
