"""Every detail of a recorded usage, in the places where OpenAI has them; it must not know the product.

A detail is named by its path in a completion's `usage`. What no provider counts in tokens or searches (times, costs,
units that are billed) is none; a price is the gateway's own.
"""

from collections.abc import Callable, Iterable

from upstreams.readers.sse import Decoded, decode
from upstreams.recordings import JsonObject, Recording

Details = dict[str, int]
PROMPT, COMPLETION = "prompt_tokens_details.", "completion_tokens_details."
SEARCHES = "server_tool_use.web_search_requests"
OPENAI = {
    PROMPT: ("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "text_tokens"),
    COMPLETION: (
        "reasoning_tokens",
        "audio_tokens",
        "image_tokens",
        "text_tokens",
        "accepted_prediction_tokens",
        "rejected_prediction_tokens",
    ),
}
CACHED = ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens", "cache_read_input_tokens")
MODALITIES = {"TEXT": "text_tokens", "AUDIO": "audio_tokens", "IMAGE": "image_tokens"}


def details_of(recording: Recording) -> Details:
    """What a recorded chat reports beside its totals; in a stream the last report of each detail counts."""
    return READERS[recording.dialect](decode(recording.body, recording.body_kind))


def told(usage: JsonObject) -> Details:
    """The details of a usage that a client was given."""
    found: Details = {}
    for name, value in usage.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": count for inner, count in value.items() if count is not None}
    return found


def counts(**named: int | None) -> Details:
    """Those that are reported."""
    return {name: int(value) for name, value in named.items() if value is not None}


def of_openai(decoded: Decoded) -> Details:
    """OpenAI's own names, and those that compatible servers have beside them."""
    found: Details = {}
    for document in decoded.documents:
        groq = document.get("x_groq") or {}
        found |= of_openai_usage(document.get("usage") or groq.get("usage") or {})
        for choice in document.get("choices") or []:
            found |= of_openai_usage(choice.get("usage") or {})
    return found


def of_openai_usage(usage: JsonObject) -> Details:
    """The details of one report."""
    found: Details = {}
    for place, names in OPENAI.items():
        reported = usage.get(place.rstrip(".")) or {}
        found |= counts(**{place + name: reported.get(name) for name in names})
    beside = {
        PROMPT + "cached_tokens": first(usage, CACHED),
        PROMPT + "cache_write_tokens": usage.get("cache_creation_input_tokens"),
        COMPLETION + "reasoning_tokens": usage.get("reasoning_tokens"),
        SEARCHES: first(usage, ("num_search_queries", "num_sources_used")),
    }
    tools = usage.get("server_tool_use") or usage.get("server_tool_use_details") or {}
    return counts(**beside) | counts(**{SEARCHES: tools.get("web_search_requests")}) | found


def first(usage: JsonObject, names: Iterable[str]) -> int | None:
    """The first that is reported."""
    return next((usage[name] for name in names if usage.get(name) is not None), None)


def of_anthropic(decoded: Decoded) -> Details:
    """Caches, with what is kept for an hour, thinking and searches."""
    usage: JsonObject = {}
    for document in decoded.documents:
        for report in (document.get("usage"), (document.get("message") or {}).get("usage")):
            usage |= {name: value for name, value in (report or {}).items() if value is not None}
    parts = usage.get("iterations") or [usage]
    split = [part["cache_creation"] for part in parts if part.get("cache_creation")]
    return counts(
        **{
            PROMPT + "cached_tokens": added(part.get("cache_read_input_tokens") for part in parts),
            PROMPT + "cache_write_tokens": added(part.get("cache_creation_input_tokens") for part in parts),
            PROMPT + "cache_write_1h_tokens": added(one.get("ephemeral_1h_input_tokens") for one in split),
            COMPLETION + "reasoning_tokens": (usage.get("output_tokens_details") or {}).get("thinking_tokens"),
            SEARCHES: (usage.get("server_tool_use") or {}).get("web_search_requests"),
        }
    )


def added(values: Iterable[int | None]) -> int | None:
    """The sum of those that are reported, None where none is."""
    reported = [value for value in values if value is not None]
    return sum(reported) if reported else None


def of_google(decoded: Decoded) -> Details:
    """Modalities of prompt and answer, results of Google's own tools within the prompt, and thoughts.

    Searches are the queries that an answer was grounded by.
    """
    usage: JsonObject = {}
    queries: set[str] = set()
    for document in decoded.documents:
        usage |= document.get("usageMetadata") or {}
        for candidate in document.get("candidates") or []:
            queries |= set((candidate.get("groundingMetadata") or {}).get("webSearchQueries") or [])
    named: dict[str, int | None] = {
        PROMPT + "cached_tokens": usage.get("cachedContentTokenCount"),
        PROMPT + "tool_tokens": usage.get("toolUsePromptTokenCount"),
        COMPLETION + "reasoning_tokens": usage.get("thoughtsTokenCount"),
        SEARCHES: len({query for query in queries if query.strip()}) or None,
    }
    for place, lists in (
        (PROMPT, ("promptTokensDetails", "toolUsePromptTokensDetails")),
        (COMPLETION, ("candidatesTokensDetails",)),
    ):
        for entry in (entry for name in lists for entry in usage.get(name) or []):
            name = place + MODALITIES.get(str(entry["modality"]), "text_tokens")
            named[name] = (named.get(name) or 0) + entry["tokenCount"]
    return counts(**named)


def of_bedrock(decoded: Decoded) -> Details:
    """Caches, with what is kept for an hour."""
    usage: JsonObject = {}
    for document in decoded.documents:
        usage |= document.get("usage") or (document.get("metadata") or {}).get("usage") or {}
    hours = [entry for entry in usage.get("cacheDetails") or [] if entry.get("ttl") == "1h"]
    return counts(
        **{
            PROMPT + "cached_tokens": usage.get("cacheReadInputTokens"),
            PROMPT + "cache_write_tokens": usage.get("cacheWriteInputTokens"),
            PROMPT + "cache_write_1h_tokens": sum(entry["inputTokens"] for entry in hours)
            if usage.get("cacheDetails")
            else None,
        }
    )


def of_cohere(decoded: Decoded) -> Details:
    """Cached, image and reasoning tokens."""
    usage: JsonObject = {}
    for document in decoded.documents:
        usage |= document.get("usage") or (document.get("delta") or {}).get("usage") or {}
    tokens = usage.get("tokens") or {}
    return counts(
        **{
            PROMPT + "cached_tokens": usage.get("cached_tokens"),
            PROMPT + "image_tokens": tokens.get("image_tokens"),
            COMPLETION + "reasoning_tokens": tokens.get("reasoning_tokens"),
        }
    )


def of_ollama(decoded: Decoded) -> Details:
    """Two totals are all there is."""
    return {}


READERS: dict[str, Callable[[Decoded], Details]] = {
    "openai": of_openai,
    "azure": of_openai,
    "anthropic": of_anthropic,
    "google": of_google,
    "bedrock": of_bedrock,
    "cohere": of_cohere,
    "ollama": of_ollama,
    "vertex": of_anthropic,
}
