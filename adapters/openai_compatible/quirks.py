"""One row per OpenAI-compatible server: its facts, and nothing that happens; `Quirks` explains the columns.

Sources: each server's API reference, vLLM's OpenAPI document (0.16) and the recorded traffic; see
`docs/providers/openai-compatible.md` for the dates. A server without a row of its own is `default`, which assumes
little: it sends what the client sent, in the older and more widely known of two spellings.
"""

from typing import Final

from msgspec.structs import replace

from adapters.mistral.quirks import MISTRAL
from adapters.openai.quirks import Quirks
from adapters.openai.refused import XAI_MODELS
from adapters.openrouter.quirks import OPENROUTER

# What OpenAI has and others do not, in two steps of strictness.
_ACCOUNT: Final = frozenset(
    {
        "metadata",
        "moderation",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
    }
)
_OPENAI_ONLY: Final = _ACCOUNT | {"prediction", "verbosity", "web_search_options"}
_LOW_TO_HIGH: Final = {"minimal": "low", "xhigh": "high", "max": "high"}

DEFAULT: Final = Quirks(
    needs_credential=False,
    max_tokens_field="max_tokens",
    developer_role=False,
    audio_url=True,
    draws=True,
    video=True,
    extra_content=True,
    reasoning_fields=("reasoning_content",),
)

VLLM: Final = Quirks(
    needs_credential=False,
    drops=_OPENAI_ONLY,
    max_tokens_field="max_completion_tokens",
    developer_role=False,
    tool_media=True,
    audio_url=True,
    video=True,
    reasoning_fields=("reasoning_content", "reasoning"),
    reasoning_scope="all",  # the chat template knows which turns it wants
    reasoning_switch="template",
    efforts=_LOW_TO_HIGH,
)

SGLANG: Final = Quirks(
    needs_credential=False,
    drops=_OPENAI_ONLY,
    max_tokens_field="max_completion_tokens",
    developer_role=False,
    tool_media=True,
    audio_url=True,
    video=True,
    reasoning_fields=("reasoning_content",),
    reasoning_scope="all",
    reasoning_switch="template",
    efforts=_LOW_TO_HIGH,
)

OLLAMA: Final = Quirks(
    base_url="http://127.0.0.1:11434/v1",
    needs_credential=False,
    drops=_OPENAI_ONLY | {"logit_bias", "n", "top_k", "user"},
    max_tokens_field="max_tokens",
    developer_role=False,
    tool_media=True,
    unread_addresses=frozenset({"image", "file"}),
    reasoning_fields=("reasoning",),
    reasoning_scope="all",
    efforts=_LOW_TO_HIGH,
)

LLAMACPP: Final = Quirks(
    base_url="http://127.0.0.1:8080/v1",
    needs_credential=False,
    drops=_OPENAI_ONLY | {"user"},
    max_tokens_field="max_tokens",
    developer_role=False,
    named_choice=False,  # it warns in its log and takes the choice for `auto`
    reasoning_fields=("reasoning_content",),
    reasoning_scope="all",
    reasoning_switch="template",
    efforts=_LOW_TO_HIGH,
)

GROQ: Final = Quirks(
    base_url="https://api.groq.com/openai/v1",
    drops=(_OPENAI_ONLY - {"service_tier"}) | {"logit_bias", "logprobs", "n", "top_k", "top_logprobs"},
    max_tokens_field="max_completion_tokens",
    developer_role=False,
    message_names=False,
    reasoning_fields=("reasoning",),
    efforts=_LOW_TO_HIGH,
)

DEEPSEEK: Final = Quirks(
    base_url="https://api.deepseek.com/v1",
    drops=_OPENAI_ONLY | {"logit_bias", "n", "seed", "top_k", "user"},
    max_tokens_field="max_tokens",
    developer_role=False,
    json_schema=False,
    empty_content=True,
    reasoning_fields=("reasoning_content",),  # wanted inside a tool loop; before the last question it is ignored
    reasoning_needed=True,
    reasoning_switch="thinking",
)

XAI: Final = Quirks(
    base_url="https://api.x.ai/v1",
    drops=(_OPENAI_ONLY - {"service_tier", "web_search_options"}) | {"logit_bias", "top_k"},
    refused=XAI_MODELS,
    max_tokens_field="max_completion_tokens",
    developer_role=False,
    reasoning_fields=("reasoning_content",),
    efforts=_LOW_TO_HIGH,
)

TOGETHER: Final = Quirks(
    base_url="https://api.together.xyz/v1",
    drops=_OPENAI_ONLY,
    max_tokens_field="max_tokens",
    developer_role=False,
    video=True,
    reasoning_fields=("reasoning",),
    reasoning_switch="reasoning",
    efforts=_LOW_TO_HIGH,
)

PERPLEXITY: Final = Quirks(
    base_url="https://api.perplexity.ai",
    drops=(_OPENAI_ONLY - {"web_search_options"}) | {"logit_bias", "n", "seed", "user"},
    max_tokens_field="max_tokens",
    developer_role=False,
    message_names=False,
    video=True,
    efforts={"none": "minimal", "xhigh": "high", "max": "high"},
    embeddings="int8",
)

CEREBRAS: Final = Quirks(
    base_url="https://api.cerebras.ai/v1",
    drops=(_OPENAI_ONLY - {"prediction", "prompt_cache_key", "service_tier"})
    | {"frequency_penalty", "logit_bias", "presence_penalty", "top_k"},
    max_tokens_field="max_completion_tokens",
    developer_role=False,
    reasoning_fields=("reasoning",),
    efforts=_LOW_TO_HIGH,
)

ROWS: Final = {
    "cerebras": CEREBRAS,
    "deepseek": DEEPSEEK,
    "default": DEFAULT,
    "groq": GROQ,
    "llamacpp": LLAMACPP,
    "mistral": replace(MISTRAL, audio_url=False),  # a chunk of Mistral's own
    "ollama": OLLAMA,
    "openrouter": OPENROUTER,
    "perplexity": PERPLEXITY,
    "sglang": SGLANG,
    "together": TOGETHER,
    "vllm": VLLM,
    "xai": XAI,
}
