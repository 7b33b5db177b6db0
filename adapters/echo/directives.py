"""The small language that controls the echo model; knows nothing of answers.

Sources, later ones win, key by key: the deployment's `options`; the request's `metadata.echo`; a prefix of the last
user text, as in `[echo tokens=200 delay_ms=5] Hello`. Everything is bounded, and nothing but this model reads it.
The page for users is `docs/providers/echo.md`.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from adapters.errors import STATUS_KINDS, ErrorKind, ProviderError, kind_of_status
from schemas.chat_response import FinishReason

MAX_TOKENS: Final = 100_000
MAX_DELAY_MS: Final = 600_000
Tokens = Annotated[int, Meta(ge=0, le=MAX_TOKENS)]
Size = Annotated[int, Meta(ge=1, le=MAX_TOKENS)]
Milliseconds = Annotated[float, Meta(ge=0, le=MAX_DELAY_MS)]

_PREFIX: Final = re.compile(r"\s*\[echo((?:\s+[a-z_]+=[^\s\]]*)+)\s*\]\s?")


class Directives(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the answer shall be like; see `docs/providers/echo.md` for each key."""

    tokens: Tokens | None = None
    reasoning: Tokens = 0
    refusal: bool = False
    tool: str | None = None
    finish: FinishReason | None = None
    first_ms: Milliseconds = 0
    delay_ms: Milliseconds = 0
    chunk: Size = 1
    burst: Size = 1
    error: ErrorKind | None = None
    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    after: Tokens | None = None
    retry_after: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    cached: Tokens = 0
    usage: Literal["on", "off"] = "on"
    dimensions: Annotated[int, Meta(ge=1, le=8192)] = 256

    def failure(self) -> ProviderError | None:
        """Return the failure that was asked for, if any."""
        if self.error is None and self.status is None:
            return None
        kind = self.error or kind_of_status(self.status or 500)
        return ProviderError(
            kind,
            "The echo model was asked to fail.",
            status=self.status or _STATUS_OF_KIND.get(kind),
            code="echo_failure",
            retry_after_s=self.retry_after,
        )


_STATUS_OF_KIND: Final[dict[ErrorKind, int]] = {
    **{kind: status for status, kind in reversed(STATUS_KINDS.items())},
    ErrorKind.SERVER_ERROR: 500,
    ErrorKind.CONTEXT_LENGTH: 400,
    ErrorKind.CONTENT_POLICY: 400,
    ErrorKind.INVALID_TOOL_HISTORY: 400,
    ErrorKind.UNSUPPORTED_PARAMETER: 400,
}


def split_prefix(text: str) -> tuple[str, str]:
    """Return the directives at the beginning of a text, and the text without them."""
    match = _PREFIX.match(text)
    return (match[1], text[match.end() :]) if match else ("", text)


def read_directives(options: Mapping[str, str], metadata: str, prefix: str) -> Directives:
    """Combine the three sources; a key or value that is not understood is an `INVALID_REQUEST`."""
    merged = {**options, **_pairs(metadata), **_pairs(prefix)}
    try:
        return msgspec.convert(merged, Directives, strict=False)
    except msgspec.ValidationError as error:
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"The echo model's directives are wrong: {error}") from None


def _pairs(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (item.partition("=") for item in text.split())}
