"""Embeddings of providers that embed texts alone, as numbers: texts in, as many calls as it takes, vectors out."""

import asyncio
import base64
import struct
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from adapters.base import Call, Losses, Result
from adapters.errors import ErrorKind, ProviderError, bad_response
from schemas.embeddings import Embedding, EmbeddingRequest, EmbeddingResponse, EmbeddingUsage
from schemas.usage import Usage, summed

MAX_INPUTS: Final = 2048
BYTES_PER_TOKEN: Final = 4
CALLS_AT_ONCE: Final = 8
"""For one request whose texts a provider does not embed in one call."""
Vector = list[float]
Embedded = tuple[list[Vector], Usage]
BatchT = TypeVar("BatchT")


def texts_of(request: EmbeddingRequest) -> list[str]:
    """Return the inputs; raises `ProviderError` for tokens and for too many or none."""
    given = [request.input] if isinstance(request.input, str) else request.input
    texts = [item for item in given if isinstance(item, str)]
    if len(texts) < len(given):
        message = "This model embeds texts only, no tokens."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="input")
    if not 1 <= len(texts) <= MAX_INPUTS:
        message = f"'input' must hold between 1 and {MAX_INPUTS} texts."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param="input")
    return texts


def estimated_usage(texts: Iterable[str]) -> Usage:
    """Return an estimate of the prompt tokens of embedded texts: one for four bytes."""
    total = sum(-(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN) for text in texts)
    return Usage(prompt_tokens=total, source="estimated")


async def embed_batches(
    request: EmbeddingRequest,
    batches: Sequence[BatchT],
    embed: Callable[[BatchT], Awaitable[Embedded]],
    call: Call,
    losses: Losses,
) -> Result[EmbeddingResponse]:
    """Return the vectors of all batches in order, from `CALLS_AT_ONCE` calls of `embed` at most at once.

    The first failure ends the rest and says what was consumed until then; so does a call that nobody waits for.
    """
    answers = [await embed(batches[0])] if len(batches) == 1 else await _together(batches, embed, call)
    usage = summed([usage for _, usage in answers])
    body = to_embedding_response([vector for vectors, _ in answers for vector in vectors], usage, request)
    return Result(body=body, usage=usage, dropped_params=losses.dropped)


async def _together(
    batches: Sequence[BatchT], embed: Callable[[BatchT], Awaitable[Embedded]], call: Call
) -> list[Embedded]:
    gate = asyncio.Semaphore(CALLS_AT_ONCE)
    consumed: list[Usage] = []

    async def one(batch: BatchT) -> Embedded:
        async with gate:
            answer = await embed(batch)
        consumed.append(answer[1])
        return answer

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(batch)) for batch in batches]
    except ExceptionGroup as failed:
        error = failed.exceptions[0]
        if isinstance(error, ProviderError) and consumed:
            error.usage = summed(consumed)
        raise error from None
    except asyncio.CancelledError:
        if call.on_abandoned is not None and consumed:
            call.on_abandoned(summed(consumed))
        raise
    return [task.result() for task in tasks]


def to_embedding_response(
    vectors: Sequence[Vector], usage: Usage | None, request: EmbeddingRequest
) -> EmbeddingResponse:
    """Return the vectors in OpenAI's form, in base64 of float32 where the client asked for it.

    Raises:
        ProviderError: a number is no float32.
    """
    in_base64 = request.encoding_format == "base64"
    total = (usage.prompt_tokens or 0) if usage is not None else 0
    return EmbeddingResponse(
        data=[
            Embedding(embedding=_base64(vector) if in_base64 else vector, index=index)
            for index, vector in enumerate(vectors)
        ],
        model=request.model,
        usage=EmbeddingUsage(prompt_tokens=total, total_tokens=total),
    )


def _base64(vector: Vector) -> str:
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
    except (struct.error, OverflowError):
        raise bad_response() from None
