"""Reads what an answer says, whole or as chunks, into one comparable form; shares no code with the adapters."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final, get_args

import msgspec
from msgspec import UNSET, Struct, UnsetType

from schemas.chat_request import ReasoningDetail
from schemas.chat_response import (
    Annotation,
    ChatCompletion,
    ChatCompletionChunk,
    ChoiceDelta,
    ChoiceLogprobs,
    FinishReason,
    ToolCallDelta,
)

_CALL_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FINISH_REASONS: Final = frozenset(get_args(FinishReason))


class SaidCall(Struct):
    """A tool call as read."""

    id: str
    type: str
    name: str
    arguments: str


class Said(Struct, kw_only=True):
    """What one choice says. Empty texts and absent texts are the same."""

    content: str = ""
    refusal: str = ""
    reasoning: str = ""
    calls: list[SaidCall] = []
    details: list[ReasoningDetail] = []
    annotations: list[Annotation] = []
    logprob_tokens: list[str] = []
    finish: str | None = None


def said_whole(body: ChatCompletion) -> dict[int, Said]:
    """Return what each choice of a whole answer says."""
    said: dict[int, Said] = {}
    for choice in body.choices:
        message = choice.message
        said[choice.index] = Said(
            content=message.content or "",
            refusal=message.refusal or "",
            reasoning=_text(message.reasoning_content),
            calls=[
                SaidCall(call.id, call.type, call.function.name, _canonical(call.function.arguments))
                if call.function
                else SaidCall(call.id, call.type, call.custom.name if call.custom else "", _input(call.custom))
                for call in message.tool_calls or ()
            ],
            details=merge_details(message.reasoning_details or []),
            annotations=list(message.annotations or []),
            logprob_tokens=_tokens(choice.logprobs),
            finish=choice.finish_reason,
        )
    return said


def _input(custom: object) -> str:
    return str(getattr(custom, "input", ""))


def said_chunks(chunks: Sequence[ChatCompletionChunk]) -> dict[int, Said]:
    """Return what each choice of a stream says, leniently: `stream_violations` is the strict reader."""
    said: dict[int, Said] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            one = said.setdefault(choice.index, Said())
            _add(one, choice.delta)
            one.logprob_tokens += _tokens(choice.logprobs)
            one.finish = choice.finish_reason or one.finish
    for one in said.values():
        one.details = merge_details(one.details)
        for call in one.calls:
            call.arguments = _canonical(call.arguments) if call.type == "function" else call.arguments
    return said


def _add(said: Said, delta: ChoiceDelta) -> None:
    said.content += _text(delta.content)
    said.refusal += _text(delta.refusal)
    said.reasoning += _text(delta.reasoning_content)
    said.details += delta.reasoning_details or []
    said.annotations += delta.annotations or []
    for call in delta.tool_calls or ():
        while len(said.calls) <= call.index < 1000:
            said.calls.append(SaidCall("", "", "", ""))
        one = said.calls[call.index]
        one.id += _text(call.id)
        one.type += _text(call.type)
        if call.function:
            one.name += _text(call.function.name)
            one.arguments += _text(call.function.arguments)
        if call.custom:
            one.name += _text(call.custom.name)
            one.arguments += _text(call.custom.input)


def merge_details(details: Sequence[ReasoningDetail]) -> list[ReasoningDetail]:
    """Join pieces of the same reasoning block: same type and index, one after the other."""
    merged: list[ReasoningDetail] = []
    for detail in details:
        last = merged[-1] if merged else None
        if last is None or (last.type, last.index) != (detail.type, detail.index) or last.signature or detail.data:
            merged.append(detail)
            continue
        merged[-1] = msgspec.structs.replace(
            last,
            text=_joined(last.text, detail.text),
            summary=_joined(last.summary, detail.summary),
            signature=_joined(last.signature, detail.signature),
        )
    return merged


def _joined(first: str | None, second: str | None) -> str | None:
    return None if first is None and second is None else (first or "") + (second or "")


def _text(value: str | UnsetType | None) -> str:
    return value or ""


def _tokens(logprobs: ChoiceLogprobs | UnsetType | None) -> list[str]:
    return [token.token for token in (logprobs.content or ())] if logprobs else []


def said_violations(said: dict[int, Said]) -> Iterator[str]:
    """Yield what an answer must not say, however it arrived."""
    if sorted(said) != list(range(len(said))) or not said:
        yield f"choices are not numbered from 0: {sorted(said)}"
    for index, one in said.items():
        if one.finish not in _FINISH_REASONS:
            yield f"choice {index}: finish_reason {one.finish!r} is not one of OpenAI's"
        if bool(one.calls) != (one.finish == "tool_calls") and one.finish in {"stop", "tool_calls"}:
            yield f"choice {index}: finish_reason {one.finish!r} with {len(one.calls)} tool calls"
        ids = [call.id for call in one.calls]
        if len(set(ids)) != len(ids):
            yield f"choice {index}: tool-call ids repeat"
        for call in one.calls:
            if not _CALL_ID.fullmatch(call.id):
                yield f"choice {index}: tool-call id {call.id!r} is illegal"
            if not call.name:
                yield f"choice {index}: a tool call has no name"
            if call.type == "function" and one.finish == "tool_calls" and not _is_json(call.arguments):
                yield f"choice {index}: arguments of {call.name!r} are no JSON"


def _canonical(arguments: str) -> str:
    """Return JSON arguments in one spelling, since providers send objects whole and texts in a stream."""
    try:
        return json.dumps(json.loads(arguments))
    except ValueError:
        return arguments


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def stream_violations(chunks: Sequence[ChatCompletionChunk]) -> Iterator[str]:
    """Yield every break of what clients may rely on in a finished stream."""
    yield from _head_violations(chunks)
    started: set[int] = set()
    ended: set[int] = set()
    opened: dict[int, int] = {}
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        if (choice.delta.role is not UNSET) != (choice.index not in started):
            yield f"choice {choice.index}: the role is not in the first chunk alone"
        if choice.index in ended:
            yield f"choice {choice.index}: a chunk follows its finish_reason"
        started.add(choice.index)
        if choice.finish_reason is not None:
            ended.add(choice.index)
        if choice.delta.reasoning != choice.delta.reasoning_content:
            yield f"choice {choice.index}: reasoning and reasoning_content differ"
        for call in choice.delta.tool_calls or ():
            yield from _call_violations(choice.index, call, opened)
    if started != ended:
        yield f"choices without finish_reason: {sorted(started - ended)}"


def _head_violations(chunks: Sequence[ChatCompletionChunk]) -> Iterator[str]:
    heads = {(chunk.id, chunk.model, chunk.created, chunk.object) for chunk in chunks}
    if len(heads) != 1:
        yield f"id, model or created change within the stream: {sorted(heads)}"
    elif not all(next(iter(heads))):
        yield f"id, model or created are empty: {heads}"
    if any(chunk.usage is not UNSET for chunk in chunks):
        yield "a chunk carries usage"


def _call_violations(choice: int, call: ToolCallDelta, opened: dict[int, int]) -> Iterator[str]:
    known = opened.get(choice, 0)
    payload = call.function or call.custom
    name = payload.name if payload else UNSET
    if call.index == known:
        opened[choice] = known + 1
        if not (call.id and call.type and name):
            yield f"choice {choice}: tool call {call.index} begins without id, type or name"
    elif call.index > known:
        yield f"choice {choice}: tool call {call.index} begins after {known} calls"
    elif call.id or call.type or name:
        yield f"choice {choice}: tool call {call.index} repeats its id, type or name"
