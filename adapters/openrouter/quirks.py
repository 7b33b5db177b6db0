"""OpenRouter's row of `Quirks`: it takes nearly all that OpenAI does, and more.

Source: https://openrouter.ai/docs/api-reference/parameters and recorded traffic, checked 2026-11-26.
"""

from typing import Final

from adapters.openai.quirks import Quirks

OPENROUTER: Final = Quirks(
    base_url="https://openrouter.ai/api/v1",
    drops=frozenset({"moderation", "prompt_cache_options", "prompt_cache_retention"}),
    tool_media=True,
    file_annotations=True,
    draws=True,
    video=True,
    unread_addresses=frozenset(),
    cache_control=True,
    reasoning_fields=("reasoning",),
    reasoning_scope="all",
    reasoning_details=True,
    reasoning_object=True,
)
