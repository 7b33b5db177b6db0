"""Tools, their choice, and the calls of them in a history; knows no message and no provider."""

from typing import Literal

from msgspec import UNSET, Raw, UnsetType

from schemas.chat_reasoning import ExtraContent
from schemas.request_struct import CacheControl, RequestStruct


class FunctionCall(RequestStruct, frozen=True, kw_only=True):
    """`arguments` is a JSON text, as the model wrote it."""

    name: str
    arguments: str


class FunctionToolCall(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """A call of a function tool."""

    id: str
    function: FunctionCall
    extra_content: ExtraContent | None = None


class CustomCall(RequestStruct, frozen=True, kw_only=True):
    """`input` is free text."""

    name: str
    input: str


class CustomToolCall(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="custom"):
    """A call of a custom (free-text) tool."""

    id: str
    custom: CustomCall


ToolCall = FunctionToolCall | CustomToolCall


class FunctionDefinition(RequestStruct, frozen=True, kw_only=True):
    """`parameters` is a JSON schema, kept byte for byte."""

    name: str
    description: str | None = None
    parameters: Raw | UnsetType = UNSET
    strict: bool | None = None


class FunctionTool(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """A tool whose arguments follow a JSON schema."""

    function: FunctionDefinition
    cache_control: CacheControl | None = None


class CustomDefinition(RequestStruct, frozen=True, kw_only=True):
    """`format` is a grammar or `{"type": "text"}`, kept byte for byte."""

    name: str
    description: str | None = None
    format: Raw | UnsetType = UNSET


class CustomTool(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="custom"):
    """A tool that takes free text."""

    custom: CustomDefinition


Tool = FunctionTool | CustomTool


class ToolName(RequestStruct, frozen=True, kw_only=True):
    """The name of a function or custom tool."""

    name: str


class FunctionToolChoice(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="function"):
    """Call this function."""

    function: ToolName


class CustomToolChoice(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="custom"):
    """Call this custom tool."""

    custom: ToolName


class ToolReference(RequestStruct, frozen=True, kw_only=True):
    """A tool named inside `allowed_tools`."""

    type: str
    function: ToolName | None = None
    custom: ToolName | None = None


class AllowedTools(RequestStruct, frozen=True, kw_only=True):
    """The subset of tools that may be called."""

    mode: Literal["auto", "required"]
    tools: list[ToolReference]


class AllowedToolsChoice(RequestStruct, frozen=True, kw_only=True, tag_field="type", tag="allowed_tools"):
    """Call only these tools."""

    allowed_tools: AllowedTools


ToolChoice = Literal["none", "auto", "required"] | FunctionToolChoice | CustomToolChoice | AllowedToolsChoice
