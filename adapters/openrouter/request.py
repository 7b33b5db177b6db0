"""What the operator says of routing, as fields of the request; knows no HTTP.

Source: https://openrouter.ai/docs/features/provider-routing, checked 2026-11-26. Which provider serves a model decides
on its price and on who sees the prompts, so only the deployment's options choose it: clients' own `provider` and
`models` are left out and named (`adapters.extra_params`).
"""

from typing import Final

import msgspec
from msgspec import Raw

from adapters.base import Deployment
from adapters.errors import ErrorKind, ProviderError

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])


def routing_of(deployment: Deployment) -> dict[str, Raw]:
    """Return the members that the deployment's option `provider` adds to the body."""
    provider = deployment.options.get("provider")
    if provider is None:
        return {}
    try:
        _OBJECT.decode(provider)
    except (msgspec.DecodeError, RecursionError):
        message = "The deployment's option 'provider' is no JSON object."
        raise ProviderError(ErrorKind.MODEL_NOT_FOUND, message) from None
    return {"provider": Raw(provider.encode())}
