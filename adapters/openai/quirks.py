"""What distinguishes one OpenAI-format server from another, as data; holds the row of OpenAI itself."""

from collections.abc import Collection, Mapping
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import force_setattr

from adapters.media import MediaKind
from adapters.openai.refused import OPENAI_MODELS, Models


class Quirks(Struct, frozen=True, kw_only=True):
    """Facts about a server. Field names are those of `ChatRequest`.

    base_url            where the server is when the deployment does not say
    needs_credential    False where a server may run without keys
    drops               request fields that it does not know: left out and reported, in the order of their names
    renames             request field -> the server's own name for it
    ranges              request field -> least and greatest value: others become the nearest, a seed is left out
    greedy_top_p        False: refuses `top_p` beside a temperature of 0
    refused             fields that models of certain names refuse: left out, and named unless they ask for nothing
    max_tokens_field    the one name it takes for the output bound; None: both, as the client wrote
    developer_role      False: `developer` messages are sent as `system`
    stream_usage        takes `stream_options.include_usage`; False: reports usage in streams unasked
    obfuscation         takes `stream_options.include_obfuscation`
    keep_stop           a literal finish reason `stop` stands also after tool calls
    message_names       takes `name` on messages
    nine_char_tool_ids  tool-call ids must be nine alphanumerics
    tool_media          takes images and files in tool results; False: they move to a user message behind
    answer_media        takes images and files in earlier answers; False: they move to a user message behind
    file_annotations    takes back what it has read of files, from an earlier answer's annotations
    unread_addresses    kinds of media that it does not read at addresses of the web
    audio_url           takes `audio_url` parts; False: they are sent as `input_audio`, at addresses they are refused
    draws               answers with images where `modalities` asks for them; False: that is refused
    video               takes `video_url` parts
    cache_control       takes Anthropic's cache breakpoints
    refusals            takes refusals in earlier answers; False: they are sent as text
    cache_breakpoints   takes OpenAI's `prompt_cache_breakpoint`
    extra_content       takes opaque Google state on messages and tool calls
    allowed_tools       takes `tool_choice: allowed_tools`; False: only those tools are sent
    named_choice        takes a `tool_choice` that names a tool; False: that tool alone is sent, and a call demanded
    any_arguments       takes any text as a call's arguments; False: they must be a JSON object, and "" becomes {}
    functions           takes the deprecated functions; False: they are sent as tools
    custom_tools        takes custom (free-text) tools; False: they are functions with one text
    json_schema         takes a schema for the answer; False: JSON is asked for, and the schema told in words
    empty_content       wants `content` on every assistant message, be it empty
    reasoning_fields    names under which readable reasoning goes back to it
    reasoning_scope     which turns' reasoning goes back: all, or those of the tool loop that is under way
    reasoning_details   takes `reasoning_details` back
    reasoning_needed    refuses tool calls of the loop that is under way without the reasoning before them
    reasoning_object    takes `reasoning` in the place of `reasoning_effort`
    reasoning_switch    where reasoning is turned on and off: by effort, by a `thinking` or `reasoning` object, or
                        by `chat_template_kwargs`
    efforts             effort -> the nearest that it knows, for those that it does not
    embeddings          which encodings it has: OpenAI's two, numbers alone, or 8-bit integers in base64
    """

    base_url: str = ""
    needs_credential: bool = True
    drops: Collection[str] = ()
    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    greedy_top_p: bool = True
    refused: Models | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    developer_role: bool = True
    stream_usage: bool = True
    obfuscation: bool = False
    keep_stop: bool = False
    message_names: bool = True
    nine_char_tool_ids: bool = False
    tool_media: bool = False
    answer_media: bool = False
    file_annotations: bool = False
    unread_addresses: frozenset[MediaKind] = frozenset({"file"})
    audio_url: bool = False
    draws: bool = False
    video: bool = False
    cache_control: bool = False
    refusals: bool = False
    cache_breakpoints: bool = False
    extra_content: bool = False
    allowed_tools: bool = False
    named_choice: bool = True
    any_arguments: bool = False
    functions: bool = False
    custom_tools: bool = False
    json_schema: bool = True
    empty_content: bool = False
    reasoning_fields: tuple[Literal["reasoning_content", "reasoning"], ...] = ()
    reasoning_scope: Literal["all", "tool_loop"] = "tool_loop"
    reasoning_details: bool = False
    reasoning_needed: bool = False
    reasoning_object: bool = False
    reasoning_switch: Literal["effort", "thinking", "reasoning", "template"] = "effort"
    efforts: Mapping[str, str] = field(default_factory=dict[str, str])
    embeddings: Literal["any", "float", "int8"] = "any"

    def __post_init__(self) -> None:
        force_setattr(self, "drops", tuple(sorted(self.drops)))  # once: a set's order differs between processes


OPENAI = Quirks(
    functions=True,
    custom_tools=True,
    base_url="https://api.openai.com/v1",
    drops=frozenset({"top_k"}),
    max_tokens_field="max_completion_tokens",
    refused=OPENAI_MODELS,
    obfuscation=True,
    keep_stop=True,
    refusals=True,
    cache_breakpoints=True,
    allowed_tools=True,
    any_arguments=True,
)
