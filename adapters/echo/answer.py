"""Decides what the echo model answers to a chat request; pure, knows neither time nor streams."""

import hashlib
from typing import Final

import msgspec
from msgspec import Raw, Struct, UnsetType

from adapters.base import Deployment
from adapters.echo import tokens
from adapters.echo.directives import MAX_TOKENS, Directives, read_directives, split_prefix
from adapters.echo.instance import minimal_instance
from adapters.errors import ErrorKind, ProviderError
from adapters.json_values import Json
from schemas.chat_request import (
    AllowedToolsChoice,
    AssistantMessage,
    ChatRequest,
    CustomTool,
    CustomToolChoice,
    FunctionTool,
    FunctionToolChoice,
    JsonObjectFormat,
    JsonSchemaFormat,
    Tool,
    ToolMessage,
    UserMessage,
)
from schemas.chat_response import FinishReason
from schemas.usage import Usage

REFUSAL: Final = "I was asked to refuse this request."
MAX_CHOICES: Final = 128
MAX_TOP_LOGPROBS: Final = 20
LOGPROB_COST: Final = 10


class PlannedCall(Struct, frozen=True):
    """A tool call; `arguments` is JSON text, or free text for a custom tool."""

    id: str
    name: str
    arguments: str
    custom: bool = False


class Answer(Struct, frozen=True, kw_only=True):
    """What each of `choices` choices says."""

    directives: Directives
    choices: int
    text: str
    finish: FinishReason
    usage: Usage | None
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[PlannedCall, ...] = ()


def answer(request: ChatRequest, deployment: Deployment, seed: str) -> Answer:
    """Return the answer; the same request and seed (for ids) give the same one."""
    prefix, text, waits_for_tools = _asked(request)
    directives = read_directives(deployment.options, (request.metadata or {}).get("echo", ""), prefix)
    choices = _choices(request.n)
    _check_logprobs(request)
    budget = _budget(request, deployment)
    reasoning = tokens.cut(tokens.repeat(f"Thinking about: {text[:200]}", directives.reasoning), budget)
    budget -= tokens.count(reasoning)
    calls: tuple[PlannedCall, ...] = ()
    said, refusal = "", ""
    if directives.refusal:
        refusal = REFUSAL
    elif names := _tools_to_call(request, directives, waits_for_tools=waits_for_tools):
        calls = _plan_calls(names, request, text, seed)
    else:
        said = _until_stop(_text(request, directives, text), request.stop)
    wanted = said + refusal + "".join(call.arguments for call in calls)
    is_cut = tokens.count(wanted) > budget or tokens.count(reasoning) < directives.reasoning
    if is_cut:
        said, refusal, calls = tokens.cut(said, budget), tokens.cut(refusal, budget), _cut_calls(calls, budget)
    finish: FinishReason = "tool_calls" if calls else "stop"
    return Answer(
        directives=directives,
        choices=choices,
        text=said,
        refusal=refusal,
        reasoning=reasoning,
        calls=calls,
        finish=directives.finish or ("length" if is_cut else finish),
        usage=_usage(request, directives, choices, (reasoning, said + refusal, calls)),
    )


def _asked(request: ChatRequest) -> tuple[str, str, bool]:
    """Return directives and text of the last user message, and whether the tools it asks for were not called yet.

    Once a tool has answered, its result is what is echoed.
    """
    result = ""
    is_new = True
    for message in reversed(request.messages):
        if isinstance(message, ToolMessage):
            result = result or tokens.text_of(message.content)
            is_new = False
        elif isinstance(message, AssistantMessage):
            is_new = False
        elif isinstance(message, UserMessage):
            prefix, text = split_prefix(tokens.text_of(message.content))
            return prefix, result or text, is_new
    return "", result, is_new


def _choices(n: int | None) -> int:
    if n is not None and n > MAX_CHOICES:
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"'n' must be between 1 and {MAX_CHOICES}.", param="n")
    return n or 1


def _check_logprobs(request: ChatRequest) -> None:
    top = request.top_logprobs
    if top is not None and not (0 <= top <= MAX_TOP_LOGPROBS and request.logprobs):
        message = f"'top_logprobs' must be between 0 and {MAX_TOP_LOGPROBS}, with 'logprobs' true."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="top_logprobs")


def _budget(request: ChatRequest, deployment: Deployment) -> int:
    asked = request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens
    # What the answer costs to build, not what it says, is what all choices share.
    per_token = (request.n or 1) * (LOGPROB_COST * (1 + (request.top_logprobs or 0)) if request.logprobs else 1)
    return max(1, min(asked or MAX_TOKENS, deployment.max_output_tokens or MAX_TOKENS, MAX_TOKENS // per_token))


def _tools_to_call(request: ChatRequest, directives: Directives, *, waits_for_tools: bool) -> list[str]:
    """Return the names of the tools to call; naming one that the request does not offer is an `INVALID_REQUEST`."""
    offered = [_name(tool) for tool in request.tools or ()]
    names: list[str] = []
    match request.tool_choice:
        case FunctionToolChoice(function=tool) | CustomToolChoice(custom=tool):
            names = [tool.name]
        case AllowedToolsChoice(allowed_tools=allowed) if allowed.mode == "required":
            names = [named.name for ref in allowed.tools[:1] if (named := ref.function or ref.custom) is not None]
        case "required":
            names = offered[:1]
        case "none":
            return []
        case _:
            names = []
    if directives.tool and waits_for_tools:
        names = directives.tool.split(",")
    for name in names:
        if name not in offered:
            message = f"The tool '{name}' is not among the request's tools."
            raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="tools")
    return names


def _name(tool: Tool) -> str:
    return tool.function.name if isinstance(tool, FunctionTool) else tool.custom.name


def _plan_calls(names: list[str], request: ChatRequest, text: str, seed: str) -> tuple[PlannedCall, ...]:
    tools = {_name(tool): tool for tool in request.tools or ()}
    calls: list[PlannedCall] = []
    for position, name in enumerate(names):
        digest = hashlib.sha256(f"{seed}/{position}/{name}".encode()).hexdigest()[:24]
        tool = tools[name]
        is_custom = isinstance(tool, CustomTool)
        arguments = text if isinstance(tool, CustomTool) else _instance_text(tool.function.parameters)
        calls.append(PlannedCall(f"call_{digest}", name, arguments, is_custom))
    return tuple(calls)


def _cut_calls(calls: tuple[PlannedCall, ...], budget: int) -> tuple[PlannedCall, ...]:
    """Cut the arguments where the budget ends, as models do."""
    kept: list[PlannedCall] = []
    for call in calls:
        arguments = tokens.cut(call.arguments, budget)
        kept.append(msgspec.structs.replace(call, arguments=arguments))
        budget -= tokens.count(arguments)
        if budget <= 0:
            break
    return tuple(kept)


def _text(request: ChatRequest, directives: Directives, text: str) -> str:
    match request.response_format:
        case JsonSchemaFormat(json_schema=wanted):
            return _instance_text(wanted.schema)
        case JsonObjectFormat():
            return msgspec.json.encode({"echo": text}).decode()
        case _:
            return text if directives.tokens is None else tokens.repeat(text, directives.tokens)


def _instance_text(schema: Raw | UnsetType) -> str:
    if isinstance(schema, UnsetType):
        return "{}"
    try:
        parsed: Json = msgspec.json.decode(schema)
        return msgspec.json.encode(minimal_instance(parsed)).decode()
    except (msgspec.DecodeError, RecursionError):
        raise ProviderError(ErrorKind.INVALID_REQUEST, "A JSON schema of the request cannot be read.") from None


def _until_stop(text: str, stop: str | list[str] | None) -> str:
    for mark in [stop] if isinstance(stop, str) else stop or ():
        if mark:
            text = text.partition(mark)[0]
    return text


def _usage(
    request: ChatRequest, directives: Directives, choices: int, parts: tuple[str, str, tuple[PlannedCall, ...]]
) -> Usage | None:
    if directives.usage == "off":
        return None
    reasoning, said, calls = parts
    prompt = tokens.count_prompt(request)
    thought = tokens.count(reasoning)
    spoken = tokens.count(said) + sum(tokens.count(call.arguments) for call in calls)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=choices * (thought + spoken),
        cached_tokens=min(directives.cached, prompt),
        reasoning_tokens=choices * thought,
    )
