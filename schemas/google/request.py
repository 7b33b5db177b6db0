"""What is sent to `generateContent` and `streamGenerateContent`; knows no answer and no hub type.

Source: https://ai.google.dev/api/generate-content, checked against google-genai 3.4 by
`tests/adapters/google/test_sdk_types.py`. Vertex AI takes the same bodies. `Raw` fields are JSON byte for byte.
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType


class GoogleRequestStruct(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of everything that is sent: immutable, absent fields stay absent, names in camel case."""


class Blob(GoogleRequestStruct, frozen=True, kw_only=True):
    """`data` is base64."""

    mime_type: str
    data: str


class FileData(GoogleRequestStruct, frozen=True, kw_only=True):
    """A file that Google reads itself: of the Files API, of Cloud Storage (`gs://`) or a YouTube video."""

    file_uri: str
    mime_type: str | None = None


class FunctionCall(GoogleRequestStruct, frozen=True, kw_only=True):
    """`args` is a JSON object."""

    name: str
    args: Raw
    id: str | None = None


class FunctionResponsePart(GoogleRequestStruct, frozen=True, kw_only=True):
    """Media inside a function's result (Gemini 3)."""

    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(GoogleRequestStruct, frozen=True, kw_only=True):
    """`response` is a JSON object."""

    name: str
    response: Raw
    id: str | None = None
    parts: list[FunctionResponsePart] | None = None


class Part(GoogleRequestStruct, frozen=True, kw_only=True):
    """Exactly one of the content fields is set; `thought_signature` is base64 beside it."""

    text: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    thought_signature: str | None = None


class Content(GoogleRequestStruct, frozen=True, kw_only=True):
    """One turn; a system instruction has no role."""

    parts: list[Part]
    role: Literal["user", "model"] | None = None


class FunctionDeclaration(GoogleRequestStruct, frozen=True, kw_only=True):
    """Either `parameters` (Google's subset of OpenAPI's schema) or `parameters_json_schema`, or none."""

    name: str
    description: str | None = None
    parameters: Raw | UnsetType = UNSET
    parameters_json_schema: Raw | UnsetType = UNSET


class GoogleSearch(GoogleRequestStruct, frozen=True, kw_only=True):
    """Google's own search, without options."""


class Tool(GoogleRequestStruct, frozen=True, kw_only=True):
    """One kind of tool."""

    function_declarations: list[FunctionDeclaration] | None = None
    google_search: GoogleSearch | None = None


class FunctionCallingConfig(GoogleRequestStruct, frozen=True, kw_only=True):
    """`allowed_function_names` only with `ANY` and `VALIDATED`."""

    mode: Literal["AUTO", "ANY", "NONE", "VALIDATED"]
    allowed_function_names: list[str] | None = None


class ToolConfig(GoogleRequestStruct, frozen=True, kw_only=True):
    """How tools may be called."""

    function_calling_config: FunctionCallingConfig | None = None
    include_server_side_tool_invocations: bool | None = None


class ThinkingConfig(GoogleRequestStruct, frozen=True, kw_only=True):
    """`thinking_budget` is in tokens (0: off, -1: dynamic); `thinking_level` replaces it from Gemini 3 on."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: Literal["minimal", "low", "medium", "high"] | None = None


class PrebuiltVoiceConfig(GoogleRequestStruct, frozen=True, kw_only=True):
    """A voice by name."""

    voice_name: str


class VoiceConfig(GoogleRequestStruct, frozen=True, kw_only=True):
    """The voice of spoken answers."""

    prebuilt_voice_config: PrebuiltVoiceConfig


class SpeechConfig(GoogleRequestStruct, frozen=True, kw_only=True):
    """How answers are spoken."""

    voice_config: VoiceConfig


class GenerationConfig(GoogleRequestStruct, frozen=True, kw_only=True):
    """Sampling, form and length of the answer."""

    candidate_count: int | None = None
    stop_sequences: list[str] | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_mime_type: str | None = None
    response_schema: Raw | UnsetType = UNSET
    response_json_schema: Raw | UnsetType = UNSET
    response_modalities: list[str] | None = None
    speech_config: SpeechConfig | None = None
    thinking_config: ThinkingConfig | None = None


class GenerateContentRequest(GoogleRequestStruct, frozen=True, kw_only=True):
    """The whole body; the model stands in the URL."""

    contents: list[Content]
    system_instruction: Content | None = None
    tools: list[Tool] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    service_tier: Literal["standard", "flex", "priority"] | None = None
