"""What Mistral's chat takes and answers beyond OpenAI's format: content in chunks of its own; knows no hub type.

Source: https://docs.mistral.ai/api/ and the `mistralai` package 3.7, checked 2026-11-26. What is the same as in
OpenAI's format is read as `schemas.openai` and sent as `schemas.chat_request` have it. Answers hold only what is used.
"""

from msgspec import Struct


class MistralRequestStruct(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything that is sent: immutable, absent fields stay absent."""


# --- requests: parts of messages --------------------------------------------------------------------------------------


class TextChunk(MistralRequestStruct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """Plain text."""

    text: str


class ThinkChunk(MistralRequestStruct, frozen=True, kw_only=True, tag_field="type", tag="thinking"):
    """The model's own reasoning, in assistant messages."""

    thinking: list[TextChunk]


class DocumentURLChunk(MistralRequestStruct, frozen=True, kw_only=True, tag_field="type", tag="document_url"):
    """A document; `document_url` is an http(s) URL or a `data:` URL with base64 content."""

    document_url: str
    document_name: str | None = None


class FileChunk(MistralRequestStruct, frozen=True, kw_only=True, tag_field="type", tag="file"):
    """A file that was uploaded to Mistral."""

    file_id: str


class AudioChunk(MistralRequestStruct, frozen=True, kw_only=True, tag_field="type", tag="input_audio"):
    """Recorded audio in base64, or its address."""

    input_audio: str


# --- answers: which sources the text rests on -------------------------------------------------------------------------


class ReceivedChunk(Struct, frozen=True, kw_only=True):
    """A part of the content: a text, a `reference` to results by their ids, or a `tool_reference` with an address."""

    type: str | None = None
    text: str | None = None
    reference_ids: list[int | str] | None = None
    url: str | None = None
    title: str | None = None


class ReceivedMessage(Struct, frozen=True, kw_only=True):
    """`message` of a whole answer, `delta` of a streamed one."""

    content: str | list[ReceivedChunk] | None = None


class ReceivedChoice(Struct, frozen=True, kw_only=True):
    """One answer or a piece of it."""

    index: int | None = None
    message: ReceivedMessage | None = None
    delta: ReceivedMessage | None = None


class ReceivedAnswer(Struct, frozen=True, kw_only=True):
    """A whole answer or one stream item."""

    choices: list[ReceivedChoice] | None = None
