"""Claude on Vertex AI: what differs from Anthropic's own API; knows no credential.

Source: https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai and
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude, checked 2026-11-24.

| Anthropic                 | Vertex AI                                                                              |
|---------------------------|----------------------------------------------------------------------------------------|
| `model` in the body       | in the URL                                                                             |
| `anthropic-version`       | `anthropic_version` in the body, a version of its own                                  |
| `stream: true`            | the same, and another method in the URL                                                |
| `service_tier`            | does not exist                                                                         |
| media at web addresses    | only their content, in base64                                                          |
| structured outputs        | disabled by Google's default organisation policy: JSON comes by a tool unless the      |
|                           | option `structured_outputs` is `true`                                                  |
"""

from typing import Final

from msgspec import Raw
from msgspec.structs import replace
from typing_extensions import override

from adapters.anthropic import AnthropicAdapter
from adapters.anthropic.adapter import own_headers
from adapters.anthropic.request import Translation
from adapters.base import Call, Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.media import WebAddress, web_addresses
from adapters.transport import Transport, UpstreamResponse
from adapters.vertex.errors import to_claude_error
from adapters.vertex.sender import Sender
from schemas.chat_request import ChatRequest

VERSION: Final = "vertex-2023-10-16"
_VERSION_FIELD: Final = {"anthropic_version": Raw(b'"%b"' % VERSION.encode())}


class ClaudeOnVertex(AnthropicAdapter):
    """Chat with Claude."""

    def __init__(self, transport: Transport, sender: Sender) -> None:
        super().__init__(transport)
        self._sender = sender

    @override
    def translate(self, request: ChatRequest, call: Call, *, stream: bool) -> Translation:
        for address in web_addresses(request.messages):
            message = "This model reads no web addresses: send the content itself as a base64 data URL."
            raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param=address.path)
        deployment = call.deployment
        options = {"structured_outputs": "false", **deployment.options}
        adjusted = replace(call, deployment=replace(deployment, options=options))
        translation = super().translate(request, adjusted, stream=stream)
        dropped = translation.dropped
        if request.service_tier == "priority":  # what Anthropic's API alone would have carried
            losses = Losses(deployment.extra_params)
            losses.drop("service_tier")
            dropped += losses.dropped
        return replace(
            translation,
            body=replace(translation.body, model="", service_tier=None),
            extra={**translation.extra, **_VERSION_FIELD},
            dropped=dropped,
        )

    def needs_content(self, address: WebAddress, call: Call) -> bool:
        """See `NeedsContent`."""
        del address, call
        return True

    @override
    async def post(self, translation: Translation, call: Call) -> UpstreamResponse:
        method = "streamRawPredict" if translation.body.stream else "rawPredict"
        headers = own_headers(call, translation.betas)
        return await self._sender.post(method, translation.encode(), call, headers, to_claude_error)
