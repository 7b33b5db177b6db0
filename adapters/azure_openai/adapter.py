"""Azure's URLs, API versions and credentials; the rest is `adapters.openai`.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference. The form of the base URL decides:

| base URL                        | request                                                                        |
|---------------------------------|--------------------------------------------------------------------------------|
| `https://r.../openai/v1`        | `{base}/chat/completions`, model in the body, `api-version` only where set     |
| `https://r.../models`           | `{base}/chat/completions?api-version=`, model in the body (model inference API) |
| `https://r...` or `.../openai`  | `{base}/openai/deployments/{upstream model}/chat/completions?api-version=`     |

Options: `api_version`; `auth: bearer` sends the credential as a Microsoft Entra token instead of an API key.
"""

from typing import Final
from urllib.parse import quote

from typing_extensions import override

from adapters.azure_openai.quirks import AZURE
from adapters.base import Call
from adapters.errors import ErrorKind, ProviderError
from adapters.openai import OpenAIAdapter
from adapters.openai.adapter import MODELS
from adapters.openai.quirks import Quirks
from adapters.transport import Header

DEFAULT_API_VERSION: Final = "2024-10-21"


class AzureOpenAIAdapter(OpenAIAdapter):
    """Azure OpenAI and Azure AI Foundry resources."""

    @override
    def quirks(self, call: Call) -> Quirks:
        return AZURE

    @override
    def url(self, operation: str, call: Call) -> str:
        deployment = call.deployment
        base_url = deployment.base_url.rstrip("/")
        if not base_url:
            raise ProviderError(ErrorKind.MODEL_NOT_FOUND, "The provider has no base URL.")
        version = deployment.options.get("api_version", "")
        if base_url.endswith("/v1"):
            return f"{base_url}/{operation}" + (f"?api-version={quote(version, safe='')}" if version else "")
        query = f"?api-version={quote(version or DEFAULT_API_VERSION, safe='')}"
        if base_url.endswith("/models"):
            return f"{base_url}/{operation}{query}"
        root = base_url if base_url.endswith("/openai") else f"{base_url}/openai"
        if operation == MODELS:
            return f"{root}/{operation}{query}"
        return f"{root}/deployments/{_path_segment(deployment.upstream_model)}/{operation}{query}"

    @override
    def authorization(self, credential: str, call: Call) -> Header:
        if call.deployment.options.get("auth") == "bearer":
            return super().authorization(credential, call)
        return (b"api-key", credential.encode())


def _path_segment(name: str) -> str:
    """Return `name` as one path segment; names of wildcard models come from clients."""
    if name in {"", ".", ".."}:
        raise ProviderError(ErrorKind.MODEL_NOT_FOUND, "The model name is no deployment name.", param="model")
    return quote(name, safe="")
