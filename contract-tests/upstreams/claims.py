"""Which recorded APIs are spoken by which adapter's operation; it must not know any package of the product.

A test holds `SPEAKS` to the operations that the adapters implement, so that no API can be left out silently.
"""

from upstreams.recordings import Recording, recordings

_OPENAI = {
    "chat": ("chat.completions",),
    "completions": ("completions",),
    "embeddings": ("embeddings",),
    "model_discovery": ("models",),
}
_RERANKING = {**_OPENAI, "rerank": ("rerank",)}
SPEAKS: dict[str, dict[str, tuple[str, ...]]] = {
    "openai": _OPENAI,
    "openai_compatible": _RERANKING,
    "azure_openai": _OPENAI,
    "openrouter": _RERANKING,
    "mistral": {"chat": _OPENAI["chat"], "embeddings": _OPENAI["embeddings"], "model_discovery": ("models",)},
    "anthropic": {"chat": ("messages",), "model_discovery": ("models",)},
    "google": {
        "chat": ("generateContent", "streamGenerateContent"),
        "embeddings": ("embedContent",),
        "model_discovery": ("models",),
    },
    "vertex": {
        "chat": ("generateContent", "streamGenerateContent", "rawPredict"),
        "embeddings": ("embedContent", "predict"),
    },
    "bedrock": {
        "chat": ("converse", "converse-stream"),
        "embeddings": ("invoke of an embedding model",),
        "model_discovery": ("foundation-models", "inference-profiles"),
    },
    "ollama": {"chat": ("ollama.chat",), "embeddings": ("ollama.embed",), "model_discovery": ("ollama.tags",)},
    "cohere": {
        "chat": ("cohere.v2.chat",),
        "embeddings": ("embed",),
        "rerank": ("rerank",),
        "model_discovery": ("models",),
    },
}
"""By adapter and operation. The adapter `echo` has no provider."""

UNCLAIMED = {
    "audio.speech": "no adapter makes speech",
    "audio.transcriptions": "no adapter transcribes",
    "audio.translations": "no adapter translates audio",
    "batches": "no adapter runs batches",
    "cohere.v1.chat": "Cohere's API v1; the adapter speaks v2",
    "count_tokens": "no adapter counts tokens before a request",
    "files": "no adapter keeps files",
    "images": "no adapter makes images",
    "interactions": "Gemini's Interactions API; the adapter speaks generateContent",
    "invoke": "Bedrock's InvokeModel of models that chat; the adapter speaks Converse",
    "invoke-stream": "Bedrock's InvokeModelWithResponseStream; the adapter speaks ConverseStream",
    "moderations": "no adapter moderates",
    "ollama.embeddings": "Ollama's older embeddings; the adapter speaks /api/embed",
    "ollama.generate": "Ollama's completions; the adapter speaks /api/chat",
    "responses": "no adapter speaks the Responses API",
    "threads.messages": "OpenAI's assistants",
}
"""APIs that no adapter claims, each with why."""


def claimed() -> frozenset[str]:
    """Every API that some adapter speaks."""
    return frozenset(api for operations in SPEAKS.values() for apis in operations.values() for api in apis)


def claimed_recordings() -> list[Recording]:
    """Every recording of such an API."""
    apis = claimed()
    return [recording for recording in recordings() if recording.api in apis]
