"""The echo adapter: connects answers, pace and failures; it reaches no network and needs no credential."""

import time
from collections.abc import Callable

from adapters.base import Call, Losses, Result
from adapters.chunks import ChunkBuilder
from adapters.echo import completions, embeddings, response, tokens
from adapters.echo.answer import Answer, answer
from adapters.echo.directives import Directives
from adapters.echo.stream import EchoStream, Facts, pause
from adapters.transport import Transport
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk
from schemas.completions import Completion, CompletionRequest
from schemas.embeddings import EmbeddingRequest, EmbeddingResponse
from schemas.usage import Usage

_IGNORED = ("functions", "function_call", "audio", "prediction")


class EchoAdapter:
    """Implements chat, completions, embeddings and model discovery. `clock` gives Unix seconds."""

    def __init__(self, transport: Transport, *, clock: Callable[[], float] = time.time) -> None:
        del transport  # nothing to reach
        self._clock = clock

    async def chat(self, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """Return the whole answer after the time that its stream would take."""
        planned, dropped = _plan(request, call)
        await _behave(planned.directives, call, _content_steps(planned))
        body = response.to_completion(
            planned,
            request,
            answer_id=_answer_id("chatcmpl", call),
            model=call.deployment.upstream_model,
            created=int(self._clock()),
        )
        return Result(
            body=body,
            usage=planned.usage or Usage(),
            upstream_id=body.id,
            upstream_model=body.model,
            native_finish_reason=planned.finish,
            dropped_params=dropped,
        )

    async def chat_stream(self, request: ChatRequest, call: Call) -> EchoStream[ChatCompletionChunk]:
        """Return the stream, unless it shall fail before it begins."""
        planned, dropped = _plan(request, call)
        _fail_at_once(planned.directives)
        model = call.deployment.upstream_model
        builder = ChunkBuilder(chunk_id=_answer_id("chatcmpl", call), model=model, created=int(self._clock()))
        facts = Facts(
            upstream_id=builder.chunk_id,
            upstream_model=model,
            native_finish_reason=planned.finish,
            usage=planned.usage,
            dropped_params=dropped,
        )
        steps = response.to_chunks(planned, builder, response.top_logprobs(request))
        return EchoStream(steps, facts, planned.directives, call, _is_content)

    async def completion(self, request: CompletionRequest, call: Call) -> Result[Completion]:
        """Return the whole answer after the time that its stream would take."""
        losses = _losses(call)
        planned = completions.answer(request, call.deployment, losses)
        await _behave(
            planned.directives, call, sum(_pieces(choice.text, planned.directives) for choice in planned.choices)
        )
        model = call.deployment.upstream_model
        body = completions.to_completion(
            planned, answer_id=_answer_id("cmpl", call), model=model, created=int(self._clock())
        )
        return Result(
            body=body,
            usage=planned.usage or Usage(),
            upstream_id=body.id,
            upstream_model=model,
            native_finish_reason=body.choices[0].finish_reason,
            dropped_params=losses.dropped,
        )

    async def completion_stream(self, request: CompletionRequest, call: Call) -> EchoStream[Completion]:
        """Return the stream, unless it shall fail before it begins."""
        losses = _losses(call)
        planned = completions.answer(request, call.deployment, losses)
        _fail_at_once(planned.directives)
        model, answer_id = call.deployment.upstream_model, _answer_id("cmpl", call)
        steps = completions.to_chunks(planned, answer_id=answer_id, model=model, created=int(self._clock()))
        facts = Facts(
            upstream_id=answer_id,
            upstream_model=model,
            native_finish_reason=planned.choices[0].finish_reason,
            usage=planned.usage,
            dropped_params=losses.dropped,
        )
        return EchoStream(steps, facts, planned.directives, call, _has_text)

    async def embeddings(self, request: EmbeddingRequest, call: Call) -> Result[EmbeddingResponse]:
        """Return the vectors."""
        losses = _losses(call)
        directives = embeddings.directives_of(request, call.deployment)
        await _behave(directives, call, 0)
        body, usage = embeddings.embed(request, directives, call.deployment.upstream_model)
        return Result(body=body, usage=usage, upstream_model=body.model, dropped_params=losses.dropped)

    async def list_models(self, call: Call) -> tuple[str, ...]:
        """Return the one model that there is."""
        del call
        return ("echo",)


def _plan(request: ChatRequest, call: Call) -> tuple[Answer, tuple[str, ...]]:
    losses = _losses(call)
    for name in _IGNORED:
        if getattr(request, name) is not None:
            losses.drop(name)
    return answer(request, call.deployment, call.request_id), losses.dropped


def _losses(call: Call) -> Losses:
    losses = Losses(call.deployment.extra_params)
    for name in call.extra_params:
        losses.drop(name)
    return losses


def _answer_id(prefix: str, call: Call) -> str:
    return f"{prefix}-{call.request_id}"


def _fail_at_once(directives: Directives) -> None:
    failure = directives.failure()
    if failure is not None and directives.after is None:
        raise failure


async def _behave(directives: Directives, call: Call, steps: int) -> None:
    """Take the time of a stream with this many steps, then fail if told to."""
    failure = directives.failure()
    if failure is not None:
        raise failure
    await pause(directives.first_ms + directives.delay_ms * max(0, steps - 1), call)


def _pieces(text: str, directives: Directives) -> int:
    return -(-tokens.count(text) // directives.chunk)


def _content_steps(planned: Answer) -> int:
    texts = (planned.reasoning, planned.text, planned.refusal, *(call.arguments for call in planned.calls))
    return sum(_pieces(text, planned.directives) for text in texts)


def _is_content(chunk: ChatCompletionChunk) -> bool:
    return chunk.choices[0].finish_reason is None


def _has_text(chunk: Completion) -> bool:
    return bool(chunk.choices[0].text)
