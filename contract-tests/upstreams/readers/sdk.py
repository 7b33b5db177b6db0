"""Reads recordings with the provider's official SDK against the replaying mock; it must not know the product."""

import contextlib
import json
from collections.abc import Callable, Iterator

import anthropic
import openai
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from upstreams.dialects.base import UPSTREAM_KEY
from upstreams.readers import READERS
from upstreams.readers.sse import Decoded, error_message
from upstreams.reading import ReadError, Reading
from upstreams.recordings import JsonObject, Recording
from upstreams.upstream import Upstream

TIMEOUT_S = 10.0
PROMPT = "What do you say?"

# What an SDK cannot read, by a part of the recording's name, and why.
UNREADABLE = {
    "google_task_prefix_vertex": "the SDK asks the Gemini API for a batch, and Vertex answered a single request",
    "otel__test_generate_content_extra_params": "Vertex sent the finish reason as an enum's number",
    "pplx-embed-v1-0_6b_handles_multiple_texts": "the vectors are 8-bit integers in base64",
}


def can_read(recording: Recording) -> bool:
    """Whether the SDK copes with the recording."""
    return not any(name in recording.name for name in UNREADABLE)


@contextlib.contextmanager
def reader(upstream: Upstream) -> Iterator[Callable[[Recording], Reading]]:
    """A function that says what a recording says to the SDK of the upstream's dialect. The upstream must serve."""
    with CLIENTS[upstream.dialect.name](upstream) as read:

        def scripted(recording: Recording) -> Reading:
            upstream.script(recording)
            return read(recording)

        yield scripted


@contextlib.contextmanager
def openai_reader(upstream: Upstream) -> Iterator[Callable[[Recording], Reading]]:
    """Chat completions, completions and embeddings with the openai SDK, on Azure's v1 paths or OpenAI's."""
    base_url = upstream.url + ("/openai/v1" if upstream.dialect.name == "azure" else "/v1")
    with openai.OpenAI(base_url=base_url, api_key=UPSTREAM_KEY, max_retries=0, timeout=TIMEOUT_S) as client:

        def read(recording: Recording) -> Reading:
            documents: list[JsonObject] = []
            try:
                documents.extend(openai_documents(client, recording))
            except openai.APIStatusError as error:
                return Reading(error=ReadError(error.status_code, error_message(wrapped(error.body))))
            except openai.APIError as error:
                documents.append({"error": error.body or {"message": error.message}})
            # The SDK keeps the end mark to itself.
            done = recording.streamed and b"[DONE]" in recording.body[-32:]
            return READERS[recording.api](200, Decoded(documents, streamed=recording.streamed, done=done))

        yield read


def wrapped(body: object) -> JsonObject:
    """An error body as it came: the SDK hands out what stood under `error`, or the whole body."""
    if isinstance(body, dict) and ("error" in body or "detail" in body):
        return body
    return {"error": body}


def openai_documents(client: openai.OpenAI, recording: Recording) -> Iterator[JsonObject]:
    """The SDK's models as JSON again."""
    streamed = recording.streamed
    match recording.api:
        case "embeddings":
            yield client.embeddings.create(model="m", input="p", encoding_format="float").to_dict(warnings=False)
        case "completions" if streamed:
            for text_chunk in client.completions.create(model="m", prompt="p", stream=True):
                yield text_chunk.to_dict(warnings=False)
        case "completions":
            yield client.completions.create(model="m", prompt="p").to_dict(warnings=False)
        case _ if streamed:
            stream = client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": PROMPT}], stream=True
            )
            for chunk in stream:
                yield chunk.to_dict(warnings=False)
        case _:
            whole = client.chat.completions.create(model="m", messages=[{"role": "user", "content": PROMPT}])
            yield whole.to_dict(warnings=False)


@contextlib.contextmanager
def anthropic_reader(upstream: Upstream) -> Iterator[Callable[[Recording], Reading]]:
    """Messages with the anthropic SDK; it joins the events of a stream itself."""
    with anthropic.Anthropic(base_url=upstream.url, api_key=UPSTREAM_KEY, max_retries=0, timeout=TIMEOUT_S) as client:

        def read(recording: Recording) -> Reading:
            try:
                message = anthropic_message(client, streamed=recording.streamed)
            except anthropic.APIStatusError as error:
                body = error.body if isinstance(error.body, dict) else {}
                return Reading(error=ReadError(error.status_code, error_message(body)))
            return READERS[recording.api](200, Decoded([message.to_dict(warnings=False)]))

        yield read


def anthropic_message(client: anthropic.Anthropic, *, streamed: bool) -> anthropic.types.Message:
    """The final message of an answer."""
    if not streamed:
        return client.messages.create(model="m", max_tokens=100, messages=[{"role": "user", "content": PROMPT}])
    with client.messages.stream(model="m", max_tokens=100, messages=[{"role": "user", "content": PROMPT}]) as stream:
        return stream.get_final_message()


@contextlib.contextmanager
def google_reader(upstream: Upstream) -> Iterator[Callable[[Recording], Reading]]:
    """Contents and embeddings with the google-genai SDK."""
    options = genai_types.HttpOptions(base_url=upstream.url, timeout=int(TIMEOUT_S * 1000))
    with genai.Client(api_key=UPSTREAM_KEY, http_options=options) as client:

        def read(recording: Recording) -> Reading:
            try:
                documents = list(google_documents(client, recording))
            except genai_errors.APIError as error:
                return Reading(error=ReadError(error.code, str(error.message or "")))
            return READERS[recording.api](200, Decoded(documents, streamed=recording.streamed))

        yield read


def google_documents(client: genai.Client, recording: Recording) -> Iterator[JsonObject]:
    """The SDK's models as JSON again, under their JSON names."""
    if recording.api == "embedContent":
        yield dumped(client.models.embed_content(model="m", contents="p"))
    elif recording.streamed:
        for chunk in client.models.generate_content_stream(model="m", contents=PROMPT):
            yield dumped(chunk)
    else:
        yield dumped(client.models.generate_content(model="m", contents=PROMPT))


def dumped(model: genai_types.GenerateContentResponse | genai_types.EmbedContentResponse) -> JsonObject:
    """A model of the SDK as the JSON that it was made from."""
    document: JsonObject = json.loads(model.model_dump_json(by_alias=True, exclude_none=True, warnings=False))
    return document


CLIENTS = {
    "openai": openai_reader,
    "azure": openai_reader,
    "anthropic": anthropic_reader,
    "google": google_reader,
}
