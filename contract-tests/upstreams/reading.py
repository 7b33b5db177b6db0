"""Neutral values that both the mocks and the readers speak: what a response means, whatever its dialect."""

import msgspec

from upstreams.recordings import Json


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts in OpenAI's sense: totals are inclusive of their details; None means not reported."""

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None


class ToolCall(msgspec.Struct, frozen=True):
    """A call the model asks for. `arguments` is the decoded JSON, or the raw text where it is no JSON."""

    name: str
    arguments: Json


class Citation(msgspec.Struct, frozen=True):
    """A web page, and the stretch of the answer that cites it. `title` is empty where the provider gives none."""

    url: str
    title: str = ""
    stretch: str = ""


class ReadError(msgspec.Struct, frozen=True):
    """An error answer, or an error event inside a 200 stream (then `status` is 200)."""

    status: int
    message: str


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one response says; `choices` beyond the first stand in `others`, embeddings in `vectors`.

    `finish` is OpenAI's term; None where the stream ended without one. `citations` are the pages that a stretch of the
    answer cites, once for each stretch, in order; `sources` those that stand beside the whole answer.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str | None = None
    usage: Usage | None = None
    refusal: str | None = None
    error: ReadError | None = None
    citations: tuple[Citation, ...] = ()
    sources: tuple[Citation, ...] = ()
    others: tuple["Reading", ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
