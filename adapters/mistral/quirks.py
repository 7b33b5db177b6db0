"""Mistral's row of `Quirks`: what differs from OpenAI in names and limits; the rest is this folder's.

Source: https://docs.mistral.ai/api/, the `mistralai` package 3.7 and recorded traffic, checked 2026-11-26.
"""

from typing import Final

from adapters.openai.quirks import Quirks

MISTRAL: Final = Quirks(
    base_url="https://api.mistral.ai/v1",
    drops=frozenset(
        {
            "audio",
            "logit_bias",
            "moderation",
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "service_tier",
            "store",
            "user",
            "verbosity",
            "web_search_options",
        }
    ),
    renames={"seed": "random_seed", "dimensions": "output_dimension"},
    max_tokens_field="max_tokens",
    developer_role=False,
    stream_usage=False,
    message_names=False,
    nine_char_tool_ids=True,
    tool_media=True,
    answer_media=True,
    audio_url=True,
    unread_addresses=frozenset(),
    custom_tools=False,
    efforts={"minimal": "none", "low": "high", "medium": "high", "xhigh": "high", "max": "high"},
    embeddings="float",
)
