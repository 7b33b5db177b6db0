"""Posts a body to a model's method on Vertex AI with the deployment's credential; knows no field of any body."""

from collections.abc import Mapping
from typing import Final

from adapters.base import Call
from adapters.errors import ProviderError
from adapters.exchange import ToError, send
from adapters.transport import Header, Transport, UpstreamResponse
from adapters.vertex.credentials import Credentials
from adapters.vertex.endpoint import model_of, url_of

_JSON_TYPE: Final[Header] = (b"content-type", b"application/json")


class Sender:
    """One per process: it holds the access tokens."""

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials

    async def post(
        self, method: str, body: bytes, call: Call, headers: Mapping[str, str], to_error: ToError
    ) -> UpstreamResponse:
        """Return a success whose body is unread; raises `ProviderError`. `headers` are the operator's."""
        deployment = call.deployment
        model = model_of(deployment)
        grant = await self._credentials.grant(call)
        url = url_of(deployment, model, method, project=grant.project, has_key=grant.is_key)
        own = [(name.encode(), value.encode()) for name, value in headers.items()]
        request = ("POST", url, [_JSON_TYPE, grant.header, *own], body)
        try:
            return await send(self._transport, call, request, to_error)
        except ProviderError as error:
            if error.status == 401:
                self._credentials.forget(grant)
            raise
