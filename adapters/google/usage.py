"""Token counters of the Gemini API to the meter vector; knows no message.

| hub                              | Gemini                                                                           |
| -------------------------------- | -------------------------------------------------------------------------------- |
| prompt_tokens                    | promptTokenCount (includes cached) + toolUsePromptTokenCount                     |
| cached_tokens                    | cachedContentTokenCount                                                          |
| prompt_{text,audio,image}_tokens | sums over promptTokensDetails and toolUsePromptTokensDetails                     |
| prompt_tool_tokens               | toolUsePromptTokenCount                                                          |
| completion_tokens                | candidatesTokenCount + thoughtsTokenCount; without the latter where the total    |
|                                  | says that candidatesTokenCount includes it                                       |
| reasoning_tokens                 | thoughtsTokenCount                                                               |
| completion_{text,audio}_tokens   | candidatesTokensDetails                                                          |
| queries                          | distinct webSearchQueries of the grounding that are not blank; before the third  |
|                                  | generation 1 for them all, as Google charges                                     |
| raw                              | usageMetadata as it came                                                         |

Embeddings without counters are estimated at one token per four UTF-8 bytes, rounded up per text (Google's own rule of
thumb of four characters per token, and nearer the truth for scripts whose characters take three bytes).
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw, UnsetType
from msgspec.structs import replace

from schemas.google.response import Candidate, Enum, ModalityCount, UsageMetadata
from schemas.usage import Usage

_DECODER: Final = msgspec.json.Decoder(UsageMetadata, strict=False)
_TIERS: Final[dict[str | int | None, str]] = {
    "STANDARD": "default",
    "FLEX": "flex",
    "PRIORITY": "priority",
    "ON_DEMAND": "default",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_PRIORITY": "priority",
    "PROVISIONED_THROUGHPUT": "default",
    1: "default",
    2: "default",
}
"""By `serviceTier` of the Gemini API and `trafficType` of Vertex AI, which may come as a number."""
_MODALITIES: Final = {1: "TEXT", 2: "IMAGE", 3: "VIDEO", 4: "AUDIO", 5: "DOCUMENT"}


def to_usage(raw: Raw | UnsetType) -> Usage | None:
    """Return the counters, None where none is reported; raises `msgspec.DecodeError` where they are no numbers."""
    return read_usage(raw)[0]


def read_usage(raw: Raw | UnsetType) -> tuple[Usage | None, str | None]:
    """Return the counters and the tier that served, in OpenAI's words; None for what is not reported."""
    if not raw or bytes(raw) == b"null":
        return None, None
    counted = _DECODER.decode(raw)
    tier = counted.service_tier if counted.traffic_type is None else counted.traffic_type
    return _to_usage(counted, raw), _TIERS.get(tier.upper() if isinstance(tier, str) else tier)


class Searches:
    """The searches that grounded one answer, over all the events that tell of them."""

    def __init__(self, *, charged_each: bool) -> None:
        self._charged_each = charged_each
        self._queries: dict[int, set[str]] = {}

    def add(self, candidates: Iterable[Candidate]) -> None:
        """Take note of what candidates were grounded by."""
        for candidate in candidates:
            grounding = candidate.grounding_metadata
            if grounding is not None and grounding.web_search_queries:
                asked = {query for query in grounding.web_search_queries if query and not query.isspace()}
                self._queries.setdefault(candidate.index, set()).update(asked)

    def counted_in(self, usage: Usage | None) -> Usage | None:
        """Return the usage with the searches; as it is where there were none."""
        count = sum(map(len, self._queries.values()))
        if not count:
            return usage
        return replace(usage or Usage(), queries=count if self._charged_each else 1)


def _to_usage(counted: UsageMetadata, raw: Raw) -> Usage | None:
    prompt = _sum(counted.prompt_token_count, counted.tool_use_prompt_token_count)
    completion = _sum(counted.candidates_token_count, counted.thoughts_token_count)
    if prompt is None and completion is None:
        return None
    if _includes_thoughts(counted, prompt or 0):
        completion = counted.candidates_token_count
    prompts = _by_modality(counted.prompt_tokens_details, counted.tool_use_prompt_tokens_details)
    answers = _by_modality(counted.candidates_tokens_details)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=counted.cached_content_token_count,
        prompt_text_tokens=prompts.get("TEXT"),
        prompt_audio_tokens=prompts.get("AUDIO"),
        prompt_image_tokens=prompts.get("IMAGE"),
        prompt_tool_tokens=counted.tool_use_prompt_token_count,
        reasoning_tokens=counted.thoughts_token_count,
        completion_text_tokens=answers.get("TEXT"),
        completion_audio_tokens=answers.get("AUDIO"),
        completion_image_tokens=answers.get("IMAGE"),
        raw=raw.copy(),
    )


def _includes_thoughts(counted: UsageMetadata, prompt: int) -> bool:
    thoughts, candidates = counted.thoughts_token_count or 0, counted.candidates_token_count or 0
    return 0 < thoughts <= candidates and counted.total_token_count == prompt + candidates


def _sum(*counts: int | None) -> int | None:
    reported = [count for count in counts if count is not None]
    return sum(reported) if reported else None


def _by_modality(*lists: list[ModalityCount] | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for counts in lists:
        for count in counts or ():
            name = _name(count.modality)
            found[name] = found.get(name, 0) + (count.token_count or 0)
    return found


def _name(modality: Enum | None) -> str:
    return _MODALITIES.get(modality, "") if isinstance(modality, int) else modality or ""
