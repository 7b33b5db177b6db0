"""The hub's chat request to the body of Mistral's `/chat/completions`; knows no HTTP.

Source: https://docs.mistral.ai/api/ and the `mistralai` package 3.7, checked 2026-11-26.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from adapters.base import Call
from adapters.errors import ErrorKind, ProviderError
from adapters.legacy_functions import with_tools
from adapters.mistral.messages import to_mistral_messages
from adapters.mistral.quirks import MISTRAL
from adapters.openai.request import to_chat_body
from adapters.parameters import refuse_modalities
from schemas.chat_request import ChatRequest, FunctionTool, Prediction, Tool

NO_PARAMETERS: Final = Raw(b'{"type":"object","properties":{}}')
_BOOLEANS: Final = {"true": Raw(b"true"), "false": Raw(b"false")}


def to_mistral_body(request: ChatRequest, call: Call, *, stream: bool) -> tuple[bytes, tuple[str, ...]]:
    """Return the JSON body and the request fields that were dropped or changed.

    Raises:
        ProviderError: Mistral cannot be asked for this, or the model's policy rejects a loss.
    """
    refuse_modalities(request, "audio", "image")
    request = with_tools(request)
    adapted = replace(
        request,
        modalities=None,
        tools=[_tool(tool) for tool in request.tools] if request.tools else None,
        tool_choice=request.tool_choice if request.tools else None,
        prediction=_prediction(request.prediction),
    )
    added = _options(call.deployment.options)
    return to_chat_body(adapted, call, MISTRAL, stream=stream, messages=to_mistral_messages, added=added)


def _tool(tool: Tool) -> Tool:
    """Mistral wants a schema in every function."""
    if isinstance(tool, FunctionTool) and bytes(tool.function.parameters or b"null") == b"null":
        return replace(tool, function=replace(tool.function, parameters=NO_PARAMETERS))
    return tool


def _prediction(prediction: Prediction | None) -> Prediction | None:
    """Mistral takes the text alone, not in parts."""
    if prediction is None or isinstance(prediction.content, str):
        return prediction
    return Prediction(content="".join(part.text for part in prediction.content))


def _options(options: Mapping[str, str]) -> dict[str, Raw]:
    """Return what the deployment's options add to the body."""
    added: dict[str, Raw] = {}
    if (safe := options.get("safe_prompt")) is not None:
        if safe not in _BOOLEANS:
            raise ProviderError(ErrorKind.MODEL_NOT_FOUND, "The deployment's option 'safe_prompt' has no valid value.")
        added["safe_prompt"] = _BOOLEANS[safe]
    if (mode := options.get("prompt_mode")) is not None:
        added["prompt_mode"] = Raw(msgspec.json.encode(mode))
    return added
