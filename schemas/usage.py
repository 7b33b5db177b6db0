"""The meter vector of one upstream call; knows no provider and no prices.

Totals are inclusive as OpenAI has them: every detail is a part of its total. `None` means that the provider did not
report a counter, `0` that it reported zero.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import astuple

from schemas.chat_response import CompletionTokensDetails, CompletionUsage, PromptTokensDetails, ServerToolUse

UsageSource = Literal["provider", "provider_partial", "estimated"]


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Counters of one upstream call, with the provider's own usage object kept as `raw`.

    `images`, `seconds` (of audio) and `queries` (searches) are charged beside tokens, or in their place. `service_tier`
    is the tier that the provider said it served, where it says so beside the counters and not in the answer alone.
    The counters that usage rows have stand first, in the order of their columns: rows take them by place.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    prompt_audio_tokens: int | None = None
    prompt_image_tokens: int | None = None
    prompt_text_tokens: int | None = None
    reasoning_tokens: int | None = None
    completion_audio_tokens: int | None = None
    completion_image_tokens: int | None = None
    completion_text_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    images: int | None = None
    seconds: int | None = None
    queries: int | None = None
    prompt_tool_tokens: int | None = None
    service_tier: str | None = None
    source: UsageSource = "provider"
    raw: Raw | UnsetType = UNSET

    @property
    def total_tokens(self) -> int:
        """Prompt and completion tokens together, unreported ones as 0."""
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)

    def violations(self) -> tuple[str, ...]:
        """Return the invariants that do not hold: a counter below zero, or details that exceed their total."""
        if _details(self) == _NO_DETAILS and (self.prompt_tokens or 0) >= 0 and (self.completion_tokens or 0) >= 0:
            return ()
        found: list[str] = []
        for name in _COUNTERS:
            value: int | None = getattr(self, name)
            if value is not None and value < 0:
                found.append(f"{name} < 0")
        _check_details(self, self.prompt_tokens, _PROMPT_DETAILS, found)
        _check_details(self, self.completion_tokens, _COMPLETION_DETAILS, found)
        if (self.cached_tokens or 0) + (self.cache_write_tokens or 0) > (self.prompt_tokens or 0):
            found.append("cached_tokens + cache_write_tokens > prompt_tokens")
        if (self.cache_write_1h_tokens or 0) > (self.cache_write_tokens or 0):
            found.append("cache_write_1h_tokens > cache_write_tokens")
        return tuple(found)

    def to_completion_usage(self) -> CompletionUsage:
        """Return the usage object that clients see."""
        prompt_tokens, completion_tokens = self.prompt_tokens or 0, self.completion_tokens or 0
        usage = CompletionUsage(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            total_tokens=prompt_tokens + completion_tokens,
        )
        prompt = (
            self.cached_tokens,
            self.cache_write_tokens,
            self.cache_write_1h_tokens,
            self.prompt_audio_tokens,
            self.prompt_image_tokens,
            self.prompt_text_tokens,
            self.prompt_tool_tokens,
        )
        if prompt != _NONE_OF_7:
            usage.prompt_tokens_details = PromptTokensDetails(
                cached_tokens=_or_unset(self.cached_tokens),
                cache_write_tokens=_or_unset(self.cache_write_tokens),
                cache_write_1h_tokens=_or_unset(self.cache_write_1h_tokens),
                audio_tokens=_or_unset(self.prompt_audio_tokens),
                image_tokens=_or_unset(self.prompt_image_tokens),
                text_tokens=_or_unset(self.prompt_text_tokens),
                tool_tokens=_or_unset(self.prompt_tool_tokens),
            )
        completion = (
            self.reasoning_tokens,
            self.completion_audio_tokens,
            self.completion_image_tokens,
            self.completion_text_tokens,
            self.accepted_prediction_tokens,
            self.rejected_prediction_tokens,
        )
        if completion != _NONE_OF_6:
            usage.completion_tokens_details = CompletionTokensDetails(
                reasoning_tokens=_or_unset(self.reasoning_tokens),
                audio_tokens=_or_unset(self.completion_audio_tokens),
                image_tokens=_or_unset(self.completion_image_tokens),
                text_tokens=_or_unset(self.completion_text_tokens),
                accepted_prediction_tokens=_or_unset(self.accepted_prediction_tokens),
                rejected_prediction_tokens=_or_unset(self.rejected_prediction_tokens),
            )
        if self.queries is not None:
            usage.server_tool_use = ServerToolUse(web_search_requests=self.queries)
        return usage


_PROMPT_DETAILS = (
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "prompt_audio_tokens",
    "prompt_image_tokens",
    "prompt_text_tokens",
    "prompt_tool_tokens",
)
_COMPLETION_DETAILS = (
    "reasoning_tokens",
    "completion_audio_tokens",
    "completion_image_tokens",
    "completion_text_tokens",
    "accepted_prediction_tokens",
    "rejected_prediction_tokens",
)

_NONE_OF_7 = (None,) * 7
_NONE_OF_6 = (None,) * 6
UNITS = ("images", "seconds", "queries")
_COUNTERS = (*_PROMPT_DETAILS, *_COMPLETION_DETAILS, *UNITS, "prompt_tokens", "completion_tokens")
_details = attrgetter(*_PROMPT_DETAILS, *_COMPLETION_DETAILS, *UNITS)
_NO_DETAILS = (None,) * 16


_DETAIL_FIELDS = slice(Usage.__struct_fields__.index("cached_tokens"), Usage.__struct_fields__.index("service_tier"))


def has_details(usage: Usage) -> bool:
    """Whether there is more to a usage than the two totals; a detail of zero is none."""
    return any(astuple(usage)[_DETAIL_FIELDS])


def summed(usages: Sequence[Usage]) -> Usage:
    """Return the usage of several upstream calls as one, with their raw usage in a list.

    A counter that one call reported and another did not is the sum of what was reported, as `provider_partial`.
    """
    if len(usages) == 1:
        return usages[0]
    counters: dict[str, int] = {}
    is_partial = len({usage.source for usage in usages}) > 1
    for name in _COUNTERS:
        values: list[int] = [value for usage in usages if (value := getattr(usage, name)) is not None]
        if values:
            counters[name] = sum(values)
    for name in ("prompt_tokens", "completion_tokens"):
        is_partial = is_partial or len({getattr(usage, name) is None for usage in usages}) > 1
    raws = [bytes(usage.raw) for usage in usages if not isinstance(usage.raw, UnsetType)]
    return Usage(
        **counters,
        service_tier=usages[0].service_tier,
        source="provider_partial" if is_partial else usages[0].source,
        raw=Raw(b"[%b]" % b",".join(raws)) if raws else UNSET,
    )


def _check_details(usage: Usage, total: int | None, names: tuple[str, ...], found: list[str]) -> None:
    for name in names:
        value: int | None = getattr(usage, name)
        if value is not None and value > (total or 0):
            found.append(f"{name} > total")


def _or_unset(value: int | None) -> int | UnsetType:
    return UNSET if value is None else value
