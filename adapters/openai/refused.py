"""Which request fields models refuse, by their names: data alone, no request.

A row stands for a family of models; what the server's other models take is said by `Quirks`. Sources:

    OpenAI  https://platform.openai.com/docs/guides/reasoning, .../latest-model (parameter compatibility), the API
            reference (`stop`: not for o3, o4-mini), and answers that users quote: `stop` for gpt-5 to gpt-5.2 at any
            effort, `parallel_tool_calls` for the o series, `reasoning_effort` for gpt-4o and gpt-4.1, `max_tokens`
    xAI     https://docs.x.ai/docs/guides/reasoning, and answers that users quote: `presence_penalty` (0 too) for every
            model, `stop` for grok-3-mini and grok-4 to grok-4.6, `reasoning_effort` where the name decides

Checked 2026-11-27. Names that no row knows are the server's to judge.
"""

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

SAMPLING: Final = (
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
)
EFFORT: Final = "reasoning_effort"


class Refused(Struct, frozen=True):
    """Fields that models of these names refuse; `reasoning`: only where the client asks them to reason.

    `max_tokens` goes under its other name.
    """

    model: re.Pattern[str]
    fields: tuple[str, ...]
    reasoning: bool = False


class Models:
    """The rows of one server's models, which tell each other apart by identity."""

    __slots__ = ("rows",)

    def __init__(self, *rows: Refused) -> None:
        self.rows = rows


@lru_cache(maxsize=2048)
def refused_by(models: Models, name: str, reasons: bool) -> tuple[str, ...]:  # noqa: FBT001 - a part of the cache's key
    """Return the fields that a model refuses; `reasons`: in a request that asks it to reason."""
    rows = [row for row in models.rows if (reasons or not row.reasoning) and row.model.match(name) is not None]
    return tuple(field for row in rows for field in row.fields)


# `gpt-5` and its sizes, not `gpt-5-chat` and no later model.
OPENAI_MODELS: Final = Models(
    Refused(re.compile(r"(?:o1|o3|o4-mini|codex-mini|gpt-5)(?!-chat)(?:-|$)"), SAMPLING),
    Refused(re.compile(r"gpt-5\.[1-6](?!-chat)(?:-|$)"), SAMPLING, reasoning=True),
    Refused(re.compile(r"(?:o3(?!-mini)|o4-mini|codex-mini|gpt-5(?:\.[1-6])?)(?!-chat)(?:-|$)"), ("stop",)),
    Refused(re.compile(r"(?:o1|o3|o4-mini|codex-mini)(?:-|$)"), ("parallel_tool_calls",)),
    Refused(re.compile(r"(?:o1|o3|o4-mini|codex-mini|gpt-5(?:\.[1-6])?)(?!-chat)(?:-|$)"), ("max_tokens",)),
    Refused(
        re.compile(r"(?:chatgpt-4o|gpt-3\.5|gpt-4|gpt-4o|gpt-4\.[15]|gpt-5(?:\.\d)?-chat)(?:-|$)"),
        (EFFORT, "verbosity"),
    ),
)
XAI_MODELS: Final = Models(
    Refused(re.compile(r"grok-"), ("presence_penalty",)),
    Refused(re.compile(r"grok-(?:3-mini|[4-9]|build|code)"), ("frequency_penalty", "stop")),
    Refused(re.compile(r"grok-(?:2|3(?!-mini)|4(?:-(?!\d*multi)|$)|4\.20(?!-multi|-\d+-multi)|code)"), (EFFORT,)),
)
