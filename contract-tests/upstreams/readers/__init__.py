"""Readers that say what a recorded response means, independently of the product: the oracle of the contract tests."""

from collections.abc import Callable

from upstreams.readers import anthropic, bedrock, cohere, google, ollama, openai, vertex
from upstreams.readers.sse import Decoded, decode
from upstreams.reading import Reading
from upstreams.recordings import Recording

READERS: dict[str, Callable[[int, Decoded], Reading]] = {
    "chat.completions": openai.read_chat,
    "completions": openai.read_completion,
    "embeddings": openai.read_embeddings,
    "messages": anthropic.read,
    "generateContent": google.read,
    "streamGenerateContent": google.read,
    "embedContent": google.read_embeddings,
    "converse": bedrock.read,
    "converse-stream": bedrock.read,
    "cohere.v2.chat": cohere.read,
    "embed": cohere.read_embeddings,
    "ollama.chat": ollama.read,
    "predict": vertex.read_predictions,
    "rawPredict": anthropic.read,
}


def read(recording: Recording) -> Reading:
    """What a recording says, read with plain JSON. `sdk.read` reads the same with the provider's SDK."""
    return read_body(recording.api, recording.status, recording.body, recording.body_kind)


def read_body(api: str, status: int, body: bytes, body_kind: str) -> Reading:
    """What a response says. `body_kind` is sse, json, json-array-stream, ndjson or aws-eventstream.

    Raises:
        ValueError: the body is not what `body_kind` says.
    """
    return READERS[api](status, decode(body, body_kind))


def readable(recording: Recording) -> bool:
    """Whether the recording is of an API that has a reader."""
    return recording.api in READERS
