"""The tools and the form of the answer, which share the choice of tools and the bounds on schemas; knows no message."""

from typing import Final

from msgspec.structs import replace

from adapters.answer_tool import JSON_TOOL
from adapters.anthropic import structured
from adapters.anthropic.schema import Complexity
from adapters.anthropic.tools import to_tool_choice, to_tools, tools_of_history
from adapters.base import Losses
from adapters.bedrock.models import Traits
from adapters.form_in_words import FOLLOW_SCHEMA
from adapters.tool_names import NameForm, ToolNames
from schemas import chat_request as hub
from schemas.anthropic import request as claude
from schemas.bedrock import request as wire

GROUNDING: Final = "nova_grounding"
_NO_CALLS: Final = "Do not call any tool. Answer in text."
NAMES: Final = NameForm("_-", 64)
"""Half as long as Claude's own API takes."""


class Forms:
    """What the request says of tools and of the answer's form, as Claude's API would have it; `to_...` give Converse's.

    `one_call` says that there may be one call at most, which the model is told beside Converse's own fields;
    `instructions` are texts for the system prompt.
    """

    def __init__(self, request: hub.ChatRequest, traits: Traits, losses: Losses) -> None:
        complexity = Complexity()
        self.names = ToolNames(NAMES, (JSON_TOOL, GROUNDING))
        self.instructions: list[str] = []
        self._traits = traits
        self._losses = losses
        given = to_tools(request, self.names, traits.facts, complexity, losses)
        # Whether the model can be made to call a tool is Converse's to say: what it cannot do it refuses by name.
        self._tools, self._choice = to_tool_choice(request, given, self.names, replace(traits.facts, forced_tools=True))
        self._given = self._tools
        wants_one = self._choice is not None and self._choice.disable_parallel_tool_use is True
        self._format = structured.to_format(request, traits.facts, complexity)
        if self._format.instruction is not None:
            self.instructions.append(self._format.instruction)
        if self._format.tool is not None:
            self._answer_with(self._format.tool)
        self.one_call = wants_one and traits.one_call and not self.demands_call
        if wants_one and not self.one_call:
            losses.drop("parallel_tool_calls")

    @property
    def demands_call(self) -> bool:
        """Whether the model must call a tool."""
        return self._choice is not None and self._choice.type in {"any", "tool"}

    def to_tool_config(self, called: list[str]) -> wire.ToolConfig | None:
        """Return the tools that may be called; `called` are those of the history, which needs definitions."""
        forbidden = self._choice is not None and self._choice.type == "none"
        tools = [] if forbidden else self._tools
        choice = None if forbidden else self._to_choice()
        if not tools and called:
            self._losses.drop("tool_choice" if forbidden else "tools")
            self.instructions.append(_NO_CALLS)
            tools = self._given or tools_of_history(called)
        made = [converted for tool in tools for converted in self._to_tools(tool)]
        return wire.ToolConfig(tools=made, tool_choice=choice) if made else None

    def to_text_format(self, request: hub.ChatRequest) -> wire.TextFormat | None:
        """Return the schema for constrained decoding."""
        native, given = self._format.native, request.response_format
        if native is None or not isinstance(given, hub.JsonSchemaFormat):
            return None
        definition = wire.JsonSchemaDefinition(
            schema=bytes(native.schema).decode(),
            name=given.json_schema.name,
            description=given.json_schema.description or None,
        )
        return wire.TextFormat(type="json_schema", structure=wire.OutputStructure(json_schema=definition))

    def _answer_with(self, tool: claude.Tool) -> None:
        """Let the model answer by a call, unless the client demands a call of its own tools, or none can be."""
        if self.demands_call:
            return
        if self._traits.forcing == "none":
            self._losses.drop("response_format")
            self.instructions.append(FOLLOW_SCHEMA + bytes(tool.input_schema).decode())
            return
        self.names.has_answer_tool = True
        alone = not self._tools or (self._choice is not None and self._choice.type == "none")
        self._tools = [tool] if alone else [*self._tools, tool]
        by_name = alone and self._traits.forcing == "tool"
        self._choice = claude.ToolChoice(type="tool", name=tool.name) if by_name else claude.ToolChoice(type="any")

    def _to_choice(self) -> wire.ToolChoice | None:
        choice = self._choice
        match choice.type if choice is not None else None:
            case "any":
                return wire.ToolChoice(any=wire.Nothing())
            case "tool":
                name = choice.name if choice is not None else None
                return wire.ToolChoice(tool=wire.NamedTool(name=name or ""))
            case "auto" if not self.one_call:
                return wire.ToolChoice(auto=wire.Nothing())
            case _:
                return None

    def _to_tools(self, tool: claude.Tool | claude.WebSearchTool) -> list[wire.Tool]:
        if isinstance(tool, claude.WebSearchTool):
            if self._traits.family not in {"nova", "nova2"}:
                self._losses.drop("web_search_options")
                return []
            if tool.user_location is not None:
                self._losses.drop("web_search_options.user_location")
            return [wire.Tool(system_tool=wire.SystemTool(name=GROUNDING))]
        spec = wire.ToolSpec(
            name=tool.name,
            description=tool.description,
            input_schema=wire.InputSchema(json=tool.input_schema),
            strict=tool.strict,
        )
        made = [wire.Tool(tool_spec=spec)]
        if tool.cache_control is not None:
            if self._traits.caches == "all":
                made.append(wire.Tool(cache_point=wire.CachePoint(type="default", ttl=tool.cache_control.ttl)))
            else:
                self._losses.drop("cache_control")
        return made
