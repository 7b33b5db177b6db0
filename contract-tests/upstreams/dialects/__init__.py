"""One module per provider dialect: its real paths, credentials, checks, errors and live answers."""

from upstreams.dialects.anthropic import Anthropic
from upstreams.dialects.azure import Azure
from upstreams.dialects.base import Answer, Call, Dialect, RefusedError
from upstreams.dialects.bedrock import Bedrock
from upstreams.dialects.cohere import Cohere
from upstreams.dialects.google import Google
from upstreams.dialects.mistral import Mistral
from upstreams.dialects.ollama import Ollama
from upstreams.dialects.openai import OpenAI
from upstreams.dialects.openrouter import OpenRouter
from upstreams.dialects.vertex import Vertex, VertexClaude

__all__ = [
    "Answer", "Anthropic", "Azure", "Bedrock", "Call", "Cohere", "Dialect", "Google", "Mistral", "Ollama", "OpenAI",
    "OpenRouter", "RefusedError", "Vertex", "VertexClaude",
]  # fmt: skip
