"""Mistral's row of `Quirks`: what differs from OpenAI in names and limits; the rest is this folder's.

Source: https://docs.mistral.ai/api/, the `mistralai` package 3.7, recorded traffic, and refusals as users reported them
(a temperature above 1.5; `top_p` beside a temperature of 0), checked 2026-11-27.
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
    ranges={"temperature": (0, 1.5), "seed": (0, 2**63 - 1)},
    greedy_top_p=False,
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
    efforts={"minimal": "none", "low": "high", "medium": "high", "xhigh": "high", "max": "high"},
    embeddings="float",
)
