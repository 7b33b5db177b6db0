"""Our Structs against the installed `openai` SDK's own types, field by field: a new release shows what we lack.

Every SDK field must exist in ours, required where it is required there, with a type that takes all that the SDK's
takes. What ours has beyond the SDK's is listed in `SUPERSET`, and the list must be exact.
"""

import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from openai.types import Completion as SdkCompletion
from openai.types import CompletionChoice as SdkCompletionChoice
from openai.types import CompletionUsage as SdkCompletionUsage
from openai.types import CreateEmbeddingResponse as SdkEmbeddingResponse
from openai.types import Embedding as SdkEmbedding
from openai.types import Model as SdkModel
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import ChatCompletion as SdkChatCompletion
from openai.types.chat import ChatCompletionChunk as SdkChunk
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.create_embedding_response import Usage as SdkEmbeddingUsage
from pydantic import BaseModel
from typing_extensions import is_typeddict

from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk, CompletionUsage, ResponseStruct
from schemas.completions import Completion, CompletionChoice, CompletionRequest
from schemas.embeddings import Embedding, EmbeddingRequest, EmbeddingResponse, EmbeddingUsage
from schemas.models import Model

PAIRS = [
    (ChatRequest, chat_create_params.CompletionCreateParamsStreaming),
    (ChatCompletion, SdkChatCompletion),
    (ChatCompletionChunk, SdkChunk),
    (CompletionRequest, completion_create_params.CompletionCreateParamsStreaming),
    (Completion, SdkCompletion),
    (CompletionChoice, SdkCompletionChoice),
    (CompletionUsage, SdkCompletionUsage),
    (EmbeddingRequest, embedding_create_params.EmbeddingCreateParams),
    (EmbeddingResponse, SdkEmbeddingResponse),
    (EmbeddingUsage, SdkEmbeddingUsage),
    (Embedding, SdkEmbedding),
    (Model, SdkModel),
]
# What clients and providers of OpenAI's format use beyond OpenAI's own types; see the docstrings in `schemas`.
SUPERSET: dict[str, set[str]] = {
    "Annotation": {"file"},
    "AssistantMessage": {
        "annotations", "cache_control", "extra_content", "images", "reasoning", "reasoning_content",
        "reasoning_details", "thinking_blocks",
        "tensorzero_extra_content",
    },
    "AssistantResponse": {"extra_content", "images", "reasoning", "reasoning_content", "reasoning_details"},
    "AudioPart": {"cache_control"},
    "ChatCompletion": {"citations", "prompt_filter_results", "search_results"},
    "ChatCompletionChunk": {"citations", "prompt_filter_results", "search_results"},
    "ChatRequest": {"reasoning", "thinking", "top_k"},
    "Choice": {"content_filter_results", "stop_reason"},
    # Citations and custom tools are in whole answers; the SDK's chunks lack them.
    "ChoiceDelta": {"annotations", "extra_content", "images", "reasoning", "reasoning_content", "reasoning_details"},
    "ToolCallDelta": {"custom", "extra_content"},
    "ChunkChoice": {"content_filter_results", "stop_reason"},
    "StreamOptions": {"include_schema_valid"},
    "CompletionTokensDetails": {"image_tokens"},
    "CompletionUsage": {"aqueduct_cost", "aqueduct_schema_valid", "server_tool_use"},
    "DeveloperMessage": {"cache_control"},
    "FilePart": {"cache_control"},
    "FunctionTool": {"cache_control"},
    "FunctionToolCall": {"extra_content"},
    "ImagePart": {"cache_control"},
    "MessageToolCall": {"extra_content"},
    "PromptTokensDetails": {"cache_write_1h_tokens", "tool_tokens"},
    "RefusalPart": {"cache_control", "prompt_cache_breakpoint"},
    "SystemMessage": {"cache_control"},
    "TextPart": {"cache_control"},
    "ToolMessage": {"cache_control", "is_error", "name"},
    "URLCitation": {"content"},
    "UserMessage": {"cache_control"},
}  # fmt: skip

# Where ours is not the SDK's type, each with its reason.
EXCEPTIONS = {
    "ChatRequest.stream": "the SDK has two types, one for each value; absent means false",
    "CompletionRequest.stream": "as in ChatRequest",
    "ChatCompletion.choices[].message.annotations[].url_citation": "kinds of annotation to come lack it",
    "ChatCompletion.choices[].message.tool_calls[].function": "one Struct is both kinds of call: `type` says which",
    "ChatCompletion.choices[].message.tool_calls[].custom": "as above",
    "ChatCompletion.choices[].message.tool_calls[].type": "as above",
    "ChatCompletionChunk.choices[].delta.tool_calls[].type": "the SDK's chunks lack custom tools",
    "ChatCompletionChunk.choices[].delta.role": "an answer is the assistant's; the SDK lists the roles of requests",
    "Completion.choices[].finish_reason": "OpenAI streams the same object with null",
    "CompletionChoice.finish_reason": "as above",
    "Model.shutdown_date": "a model is the operator's own name, and the catalog has no end for it",
}


class Field(typing.NamedTuple):
    type: Any
    required: bool


def is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def our_fields(struct: type) -> dict[str, Field]:
    fields = {
        field.encode_name: Field(get_type_hints(struct, include_extras=True)[field.name], field.required)
        for field in msgspec.structs.fields(struct)
    }
    config = struct.__struct_config__
    if config.tag is not None:
        fields[config.tag_field] = Field(Literal[config.tag], True)
    return fields


def sdk_fields(kind: type) -> dict[str, Field]:
    if issubclass(kind, BaseModel):
        return {
            (info.alias or name): Field(info.annotation, info.is_required()) for name, info in kind.model_fields.items()
        }
    hints = get_type_hints(kind, include_extras=True)
    return {name: Field(unwrap(hint), get_origin(hint) is typing.Required) for name, hint in hints.items()}


def unwrap(hint: Any) -> Any:
    while get_origin(hint) in {typing.Required, typing.NotRequired, Annotated}:
        hint = get_args(hint)[0]
    return hint


def members(hint: Any) -> Iterator[Any]:
    """The members of a union, literals one by one."""
    hint = unwrap(hint)
    if isinstance(hint, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
        hint = hint.__value__
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        for member in get_args(hint):
            yield from members(member)
    elif origin is Literal:
        yield from (Literal[value] for value in get_args(hint))
    else:
        yield hint


def is_object(hint: Any) -> bool:
    return isinstance(hint, type) and (is_typeddict(hint) or issubclass(hint, BaseModel))


def item_of(hint: Any) -> Any:
    """The item type of a list, None for what is no list."""
    if get_origin(hint) in {list, Iterable, Sequence, tuple}:
        return get_args(hint)[0]
    return None


def takes(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    """Yield each value type of the SDK's that ours would refuse."""
    our_members = list(members(ours))
    if msgspec.Raw in our_members or Any in our_members:
        return
    for member in members(theirs):
        if member in {type(None), Any, object} or any(member == one for one in our_members):
            continue
        yield from takes_member(our_members, member, path)


def takes_member(our_members: list[Any], member: Any, path: str) -> Iterator[str]:
    if get_origin(member) is Literal:
        if type(get_args(member)[0]) not in our_members:
            yield f"{path}: the value {get_args(member)[0]!r} is refused"
    elif is_object(member):
        yield from takes_object(our_members, member, path)
    elif (item := item_of(member)) is not None:
        items = [item_of(one) for one in our_members if item_of(one) is not None]
        if items:
            yield from takes(Union[tuple(items)], item, f"{path}[]")  # noqa: UP007 - the members are computed
        else:
            yield f"{path}: a list is refused"
    elif get_origin(member) in {dict, Mapping}:
        if not any(get_origin(one) is dict or is_struct(one) for one in our_members):
            yield f"{path}: an object is refused"
    elif not (member is int and float in our_members):
        yield f"{path}: {member} is refused, ours takes {our_members}"


def takes_object(our_members: list[Any], member: type, path: str) -> Iterator[str]:
    structs = [one for one in our_members if is_struct(one)]
    theirs = sdk_fields(member)
    for tag in ("type", "role"):
        if tag in theirs and (tagged := same_tag(structs, theirs[tag].type, tag)):
            structs = tagged
            break
    if len(structs) == 1:
        yield from differences(structs[0], member, path)
    elif not any(get_origin(one) is dict for one in our_members):
        yield f"{path}: no single Struct of ours is {member.__name__} ({len(structs)} may be)"


def same_tag(structs: list[type], tag_type: Any, tag: str) -> list[type]:
    wanted = {get_args(one)[0] for one in members(tag_type) if get_origin(one) is Literal}
    return [
        struct
        for struct in structs
        if tag in our_fields(struct)
        and wanted & {get_args(one)[0] for one in members(our_fields(struct)[tag].type) if get_origin(one) is Literal}
    ]


SEEN: dict[str, set[str]] = {}
"""Struct name -> fields that some SDK type beside it has, filled while the trees are compared."""


def differences(struct: type, sdk: type, path: str) -> Iterator[str]:
    ours, theirs = our_fields(struct), sdk_fields(sdk)
    known = SEEN.setdefault(struct.__name__, set())
    is_response = issubclass(struct, ResponseStruct)
    for name, field in theirs.items():
        known.add(name)
        where = f"{path}.{name}"
        if name not in ours:
            yield f"{where}: missing in {struct.__name__}"
            continue
        yield from takes(ours[name].type, field.type, where)
        yield from emission(ours[name], field, where) if is_response else requirement(ours[name], field, where)


def requirement(ours: Field, theirs: Field, where: str) -> Iterator[str]:
    """A field of requests is required exactly where the SDK says so, and null is taken where the SDK sends it."""
    if ours.required != theirs.required:
        yield f"{where}: required here {ours.required}, there {theirs.required}"
    here = list(members(ours.type))
    if type(None) in members(theirs.type) and type(None) not in here and msgspec.Raw not in here:
        yield f"{where}: null is refused"


def emission(ours: Field, theirs: Field, where: str) -> Iterator[str]:
    """A field of answers is always written where the SDK requires it, and says only what the SDK knows."""
    here, there = list(members(ours.type)), list(members(theirs.type))
    if theirs.required and msgspec.UnsetType in here:
        yield f"{where}: may be left out"
    if type(None) in here and type(None) not in there and msgspec.Raw not in here:
        yield f"{where}: may be null"
    values = {get_args(one)[0] for one in there if get_origin(one) is Literal}
    surplus = {get_args(one)[0] for one in here if get_origin(one) is Literal} - values
    if values and str not in there and surplus:
        yield f"{where}: may be {surplus}, which the SDK does not know"


def all_differences() -> list[str]:
    return [found for struct, sdk in PAIRS for found in differences(struct, sdk, struct.__name__)]


def all_structs(hint: Any, found: dict[str, type]) -> dict[str, type]:
    for one in members(hint):
        if is_struct(one) and one.__name__ not in found:
            found[one.__name__] = one
            for field in our_fields(one).values():
                all_structs(field.type, found)
        elif (item := item_of(one)) is not None:
            all_structs(item, found)
    return found


def test_structs_take_and_emit_what_the_sdks_types_say() -> None:
    found = {one for one in all_differences() if one.split(": ")[0] not in EXCEPTIONS}
    assert sorted(found) == []


def test_structs_exceptions_are_still_needed() -> None:
    found = {one.split(": ")[0] for one in all_differences()}
    assert set(EXCEPTIONS) <= found


def test_structs_superset_is_exactly_the_documented_one() -> None:
    all_differences()
    found: dict[str, type] = {}
    for struct, _ in PAIRS:
        all_structs(struct, found)
    beyond = {name: set(our_fields(struct)) - SEEN[name] for name, struct in found.items() if name in SEEN}
    assert {name: fields for name, fields in beyond.items() if fields} == SUPERSET


def test_comparison_sees_each_kind_of_difference() -> None:
    """The comparison itself can fail."""

    class Ours(ResponseStruct, kw_only=True):
        id: str | None
        kind: Literal["a", "b"]
        count: int
        more: str | msgspec.UnsetType = msgspec.UNSET

    class Theirs(BaseModel):
        id: str
        kind: Literal["a", "c"]
        count: float
        more: str
        missing: int

    found = [one.split(": ", 1) for one in differences(Ours, Theirs, "X")]
    assert found == [
        ["X.id", "may be null"],
        ["X.kind", "the value 'c' is refused"],
        ["X.kind", "may be {'b'}, which the SDK does not know"],
        ["X.count", "<class 'float'> is refused, ours takes [<class 'int'>]"],
        ["X.more", "may be left out"],
        ["X.missing", "missing in Ours"],
    ]
