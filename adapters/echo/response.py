"""Writes an `Answer` as a whole chat completion or as chunks; pure, knows neither time nor failures."""

from collections.abc import Iterator

from adapters.chunks import ChunkBuilder
from adapters.echo import tokens
from adapters.echo.answer import Answer, PlannedCall
from schemas.chat_request import ChatRequest
from schemas.chat_response import (
    AssistantResponse,
    CalledCustomTool,
    CalledFunction,
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChoiceLogprobs,
    MessageToolCall,
    TokenLogprob,
    TopLogprob,
)


def to_completion(answer: Answer, request: ChatRequest, *, answer_id: str, model: str, created: int) -> ChatCompletion:
    """Return the whole answer, without usage in the body where the directives say so."""
    top = top_logprobs(request)
    logprobs = None if top is None else _logprobs(answer, top)
    completion = ChatCompletion(
        id=answer_id,
        model=model,
        created=created,
        choices=[
            Choice(
                index=index,
                message=_message(answer),
                finish_reason=answer.finish,
                logprobs=logprobs,
            )
            for index in range(answer.choices)
        ],
    )
    if answer.usage is not None:
        completion.usage = answer.usage.to_completion_usage()
    return completion


def to_chunks(answer: Answer, builder: ChunkBuilder, top: int | None) -> Iterator[list[ChatCompletionChunk]]:
    """Yield the stream step by step: one step for each piece of content, and one for all ends together.

    Each step of the content serves all choices. `top` is the number of alternatives per token, None for no logprobs.
    """
    choices = range(answer.choices)
    size = answer.directives.chunk
    for piece in tokens.pieces(answer.reasoning, size):
        yield [chunk for choice in choices for chunk in builder.reasoning(piece, choice)]
    for piece in tokens.pieces(answer.refusal, size):
        yield [chunk for choice in choices for chunk in builder.refusal(piece, choice)]
    for piece in tokens.pieces(answer.text, size):
        step = [chunk for choice in choices for chunk in builder.text(piece, choice)]
        if top is not None:
            _add_logprobs(step, piece, top)
        yield step
    for call in answer.calls:
        yield from _call_steps(call, builder, choices, size)
    yield [chunk for choice in choices for chunk in builder.finish(answer.finish, choice)]


def top_logprobs(request: ChatRequest) -> int | None:
    """Return how many alternatives per token were asked for, None for no log probabilities at all."""
    return (request.top_logprobs or 0) if request.logprobs else None


def _message(answer: Answer) -> AssistantResponse:
    message = AssistantResponse(content=answer.text)
    if answer.refusal or answer.calls:
        message.content = None
        message.refusal = answer.refusal or None
    if answer.reasoning:
        message.reasoning_content = message.reasoning = answer.reasoning
    if answer.calls:
        message.tool_calls = [_called(call) for call in answer.calls]
    return message


def _called(call: PlannedCall) -> MessageToolCall:
    if call.custom:
        return MessageToolCall(id=call.id, type="custom", custom=CalledCustomTool(name=call.name, input=call.arguments))
    return MessageToolCall(id=call.id, function=CalledFunction(name=call.name, arguments=call.arguments))


def _call_steps(
    call: PlannedCall, builder: ChunkBuilder, choices: range, size: int
) -> Iterator[list[ChatCompletionChunk]]:
    begin = builder.open_custom_call if call.custom else builder.open_tool_call
    go_on = builder.custom_input if call.custom else builder.tool_arguments
    opened = [begin(call.id, call.name, choice=choice) for choice in choices]
    yield [chunk for _, chunks in opened for chunk in chunks]
    for piece in tokens.pieces(call.arguments, size):
        yield [
            chunk for choice, (index, _) in zip(choices, opened, strict=True) for chunk in go_on(index, piece, choice)
        ]


def _logprobs(answer: Answer, top: int) -> ChoiceLogprobs | None:
    if not answer.text:
        return None
    return ChoiceLogprobs(content=[_logprob(token, top) for token in tokens.pieces(answer.text)])


def _add_logprobs(step: list[ChatCompletionChunk], piece: str, top: int) -> None:
    for chunk in step:
        choice = chunk.choices[0]
        if choice.delta.content:
            choice.logprobs = ChoiceLogprobs(content=[_logprob(token, top) for token in tokens.pieces(piece)])


def _logprob(token: str, top: int) -> TokenLogprob:
    """Every token is certain; its alternatives are less and less so."""
    data = list(token.encode("utf-8", "replace"))
    alternatives = [TopLogprob(token=token, logprob=0.0 - rank, bytes=data) for rank in range(top)]
    return TokenLogprob(token=token, logprob=0.0, bytes=data, top_logprobs=alternatives)
