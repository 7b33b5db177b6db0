"""The request's Structs hold to the SDK's own types field by field: a new SDK release shows what they lack."""

from typing import get_type_hints

import anthropic.types as sdk
import pytest
from anthropic.types import message_create_params

from schemas.anthropic import request as wire

# Fields that the translation has no source for, and those that only the older API version takes.
UNUSED = {
    "MessagesRequest": {
        "cache_control",
        "container",
        "diagnostics",
        "inference_geo",
        "speed",
        "user_profile_id",
        "workspace_id",
    },
    "Tool": {"allowed_callers", "defer_loading", "eager_input_streaming", "input_examples", "type"},
    "WebSearchTool": {
        "allowed_callers",
        "allowed_domains",
        "blocked_domains",
        "cache_control",
        "defer_loading",
        "strict",
    },
    "ToolUseBlock": {"caller", "toolset_name"},
    "ToolResultBlock": {"toolset_name"},
    "TextBlock": {"citations"},
    "ImageBlock": {"transformations"},
    "DocumentBlock": {"citations", "context"},
}
OLDER = {"MessagesRequest": {"temperature", "top_p", "top_k", "stream"}}
PAIRS = [
    (wire.MessagesRequest, message_create_params.MessageCreateParamsBase),
    (wire.TextBlock, sdk.TextBlockParam),
    (wire.ImageBlock, sdk.ImageBlockParam),
    (wire.DocumentBlock, sdk.DocumentBlockParam),
    (wire.ThinkingBlock, sdk.ThinkingBlockParam),
    (wire.RedactedThinkingBlock, sdk.RedactedThinkingBlockParam),
    (wire.ToolUseBlock, sdk.ToolUseBlockParam),
    (wire.ToolResultBlock, sdk.ToolResultBlockParam),
    (wire.Tool, sdk.ToolParam),
    (wire.WebSearchTool, sdk.WebSearchTool20250305Param),
    (wire.CacheControl, sdk.CacheControlEphemeralParam),
    (wire.OutputConfig, sdk.OutputConfigParam),
    (wire.Metadata, sdk.MetadataParam),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[ours.__name__ for ours, _ in PAIRS])
def test_request_struct_has_the_sdks_fields_and_no_others(ours: type, theirs: type) -> None:
    fields = set(ours.__struct_encode_fields__)
    if ours.__struct_config__.tag is not None:
        fields.add(ours.__struct_config__.tag_field)
    name = ours.__name__
    assert fields - OLDER.get(name, set()) == set(get_type_hints(theirs)) - UNUSED.get(name, set())
