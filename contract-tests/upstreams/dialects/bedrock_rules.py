"""What Converse and the embedding models refuse, known from AWS's pages and their 400s; it must not know the answers.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.
"""

import itertools
import re
from collections.abc import Callable, Iterator

from upstreams.recordings import JsonObject

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
DOCUMENT_NAME = re.compile(r"[a-zA-Z0-9\s()\[\]-]{1,200}")
FIELDS: dict[str, frozenset[str]] = {
    "": frozenset(
        {
            "additionalModelRequestFields",
            "additionalModelResponseFieldPaths",
            "guardrailConfig",
            "inferenceConfig",
            "messages",
            "outputConfig",
            "performanceConfig",
            "promptVariables",
            "requestMetadata",
            "serviceTier",
            "system",
            "toolConfig",
        }
    ),
    "inferenceConfig": frozenset({"maxTokens", "temperature", "topP", "stopSequences"}),
    "toolConfig": frozenset({"tools", "toolChoice"}),
}
BLOCKS = frozenset(
    {
        "audio", "cachePoint", "citationsContent", "document", "guardContent", "image", "reasoningContent",
        "searchResult", "text", "toolResult", "toolUse", "video",
    }
)  # fmt: skip
RESULTS = frozenset({"text", "json", "image", "document", "video", "searchResult"})


def problem(body: JsonObject) -> str | None:
    """The provider's message for the first rule that the body breaks; None if there is none."""
    rules: tuple[Callable[[JsonObject], Iterator[str]], ...] = (fields, turns, blocks, history, tools, own_choice)
    return next((text for rule in rules for text in rule(body)), None)


def fields(body: JsonObject) -> Iterator[str]:
    """No field is unknown."""
    for place, known in FIELDS.items():
        for name in (body.get(place) or {}) if place else body:
            if name not in known:
                yield f"Unknown parameter in input: {place}.{name}".replace(": .", ": ")
    config = body.get("inferenceConfig") or {}
    for name in ("temperature", "topP"):
        if name in config and not 0 <= config[name] <= 1:
            yield f"Value for {name} must be between 0 and 1"
    if config.get("maxTokens", 1) < 1:
        yield "Invalid value for maxTokens: valid min value: 1"


def turns(body: JsonObject) -> Iterator[str]:
    """The first turn is the user's, and the roles alternate."""
    roles = [turn["role"] for turn in body.get("messages") or []]
    if not roles:
        yield "A conversation must have at least one message."
    elif roles[0] != "user":
        yield "A conversation must start with a user message."
    if any(before == after for before, after in itertools.pairwise(roles)):
        yield "A conversation must alternate between user and assistant roles."


def blocks(body: JsonObject) -> Iterator[str]:
    """Every block has one member of the union, texts are not blank, documents have a name that fits."""
    for turn in body["messages"]:
        if not turn["content"]:
            yield "The content field in the Message object is empty."
        for block in turn["content"]:
            if len(block) != 1 or not BLOCKS.issuperset(block):
                yield f"Invalid content block: {sorted(block)}"
            if "text" in block and not block["text"].strip():
                yield "The text field in the ContentBlock object is blank."
            if "document" in block and not DOCUMENT_NAME.fullmatch(block["document"]["name"]):
                yield "The document name has characters that are not allowed."
            for part in (block.get("toolResult") or {}).get("content") or []:
                if len(part) != 1 or not RESULTS.issuperset(part):
                    yield f"Invalid content of a tool result: {sorted(part)}"


def history(body: JsonObject) -> Iterator[str]:
    """A turn's calls are answered in the next one, all of them and no others."""
    asked: list[str] = []
    for turn in body["messages"]:
        answered = [block["toolResult"]["toolUseId"] for block in turn["content"] if "toolResult" in block]
        if sorted(answered) != sorted(asked):
            yield "The number of toolResult blocks exceeds or falls short of the toolUse blocks of previous turn."
        calls = [block["toolUse"] for block in turn["content"] if "toolUse" in block]
        asked = [call["toolUseId"] for call in calls]
        if len(set(asked)) != len(asked):
            yield "toolUse ids must be unique."
        for call in calls:
            if not NAME.fullmatch(call["toolUseId"]) or not NAME.fullmatch(call["name"]):
                yield f"Value '{call['toolUseId']}' or '{call['name']}' failed to satisfy constraint: {NAME.pattern}"
            if not isinstance(call["input"], dict):
                yield "The format of the value at toolUse.input is invalid. Provide a json object."
        if calls and not body.get("toolConfig"):
            yield "The toolConfig field must be defined when using toolUse and toolResult content blocks."


def tools(body: JsonObject) -> Iterator[str]:
    """Names fit, schemas are of objects, and what is demanded exists."""
    config = body.get("toolConfig")
    if config is None:
        return
    specs = [tool["toolSpec"] for tool in config.get("tools") or [] if "toolSpec" in tool]
    if not config.get("tools"):
        yield "Invalid length for parameter toolConfig.tools, valid min length: 1"
    for spec in specs:
        if not NAME.fullmatch(spec["name"]):
            yield f"Value '{spec['name']}' at 'toolConfig.tools' failed to satisfy constraint: {NAME.pattern}"
        if spec["inputSchema"]["json"].get("type") != "object":
            yield "The value at toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of the following: object."
    names = [spec["name"] for spec in specs]
    if len(set(names)) != len(names):
        yield "The tool names must be unique."
    choice = config.get("toolChoice") or {}
    if "tool" in choice and choice["tool"]["name"] not in names:
        yield "The tool that toolChoice names is not in tools."


def own_choice(body: JsonObject) -> Iterator[str]:
    """Claude's own choice of tools has a type, has tools, and does not stand beside Converse's."""
    own = (body.get("additionalModelRequestFields") or {}).get("tool_choice")
    if own is None:
        return
    if "type" not in own:
        yield "The model returned the following errors: tool_choice.type: Field required"
    if not body.get("toolConfig"):
        yield "The model returned the following errors: tool_choice may only be specified while providing tools"
    for demanded in (body.get("toolConfig") or {}).get("toolChoice") or {}:
        place = f"toolConfig.toolChoice.{demanded}"
        yield f"The additional field tool_choice/type conflicts with the existing field {place}."


TITAN = {"v1": {"inputText"}, "v2": {"inputText", "dimensions", "normalize", "embeddingTypes"}}
COHERE = {"texts", "images", "input_type", "truncate", "embedding_types"}
INPUT_TYPES = {"search_document", "search_query", "classification", "clustering"}
MALFORMED = "Malformed input request"


def embedding_problem(model: str, body: JsonObject) -> str | None:
    """What InvokeModel would say about the body of an embedding model, which has its own form."""
    if "titan-embed-text" in model:
        return titan_problem(body, TITAN["v2" if "v2" in model else "v1"])
    if "cohere.embed" not in model:
        return f"{MALFORMED}: the model does not take this form."
    later = "embed-v4" in model
    known = COHERE | {"output_dimension", "inputs", "max_tokens"} if later else COHERE
    ends = {"NONE", "LEFT", "RIGHT"} if later else {"NONE", "START", "END"}
    if body.keys() - known:
        return f"{MALFORMED}: #: extraneous key [{min(body.keys() - known)}] is not permitted"
    if not 1 <= len(body.get("texts") or []) <= 96 or not all(isinstance(text, str) for text in body["texts"]):
        return f"{MALFORMED}: #/texts: expected between 1 and 96 texts"
    if body.get("input_type") not in INPUT_TYPES:
        return f"{MALFORMED}: #/input_type: {body.get('input_type')} is not a valid enum value"
    return None if body.get("truncate", "NONE") in ends else f"{MALFORMED}: #/truncate: not a valid enum value"


def titan_problem(body: JsonObject, known: set[str]) -> str | None:
    """One text, and of numbers no other count than the model has (the mocks' 4 and 8 are two more)."""
    if body.keys() - known:
        return f"{MALFORMED}: #: extraneous key [{min(body.keys() - known)}] is not permitted"
    if not isinstance(body.get("inputText"), str) or not body["inputText"]:
        return f"{MALFORMED}: expected minLength: 1, actual: 0"
    if body.get("dimensions", 1024) not in {4, 8, 256, 512, 1024}:
        return f"{MALFORMED}: #/dimensions: {body['dimensions']} is not a valid enum value"
    return None
