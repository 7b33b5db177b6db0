"""Azure's row of `Quirks`: OpenAI's, but the output bound is sent under the name that the client used."""

from typing import Final

from adapters.openai.quirks import Quirks
from adapters.openai.refused import OPENAI_MODELS

# API versions before 2024-09 know only `max_tokens`, reasoning models only `max_completion_tokens`.
AZURE: Final = Quirks(
    functions=True,
    custom_tools=True,
    drops=frozenset({"top_k"}),
    refused=OPENAI_MODELS,
    obfuscation=True,
    keep_stop=True,
    refusals=True,
    cache_breakpoints=True,
    allowed_tools=True,
    any_arguments=True,
)
