"""One module per provider dialect: its real paths, credentials, checks, errors and live answers."""

from upstreams.dialects.anthropic import Anthropic
from upstreams.dialects.azure import Azure
from upstreams.dialects.base import Answer, Call, Dialect, RefusedError
from upstreams.dialects.google import Google
from upstreams.dialects.openai import OpenAI

__all__ = ["Answer", "Anthropic", "Azure", "Call", "Dialect", "Google", "OpenAI", "RefusedError"]
