"""Real HTTP servers that speak the providers' dialects, and readers of what they say; no package of the product."""

from upstreams.dialects import (
    Anthropic,
    Azure,
    Bedrock,
    Call,
    Cohere,
    Dialect,
    Google,
    Mistral,
    Ollama,
    OpenAI,
    OpenRouter,
    Vertex,
    VertexClaude,
)
from upstreams.dialects.base import UPSTREAM_KEY
from upstreams.faults import Fault
from upstreams.reading import Citation, ReadError, Reading, ToolCall, Usage
from upstreams.recordings import Recording, conversations, recording, recordings
from upstreams.upstream import Entry, Upstream
from upstreams.wire import Reply, Request, data_event, json_reply, sse_reply

__all__ = [
    "UPSTREAM_KEY", "Anthropic", "Azure", "Bedrock", "Call", "Citation", "Cohere", "Dialect", "Entry", "Fault",
    "Google", "Mistral", "Ollama", "OpenAI", "OpenRouter",
    "ReadError", "Reading", "Recording", "Reply", "Request", "ToolCall", "Upstream", "Usage", "Vertex", "VertexClaude",
    "conversations", "data_event", "json_reply", "recording", "recordings", "sse_reply",
]  # fmt: skip
