"""Chooses the row of `Quirks` that the operator named for the deployment; the rest is `adapters.openai`."""

from typing_extensions import override

from adapters.base import Call
from adapters.errors import ErrorKind, ProviderError
from adapters.openai import RerankingAdapter
from adapters.openai.quirks import Quirks
from adapters.openai_compatible.quirks import ROWS


class OpenAICompatibleAdapter(RerankingAdapter):
    """Any server with `/chat/completions`, at the operator's base URL or at the known one of its row."""

    @override
    def quirks(self, call: Call) -> Quirks:
        row = ROWS.get(call.deployment.quirks)
        if row is None:
            known = ", ".join(sorted(ROWS))
            message = f"There are no quirks '{call.deployment.quirks}'. Known ones: {known}."
            raise ProviderError(ErrorKind.MODEL_NOT_FOUND, message)
        return row

    @override
    def url(self, operation: str, call: Call) -> str:
        row = self.quirks(call)
        base_url = call.deployment.base_url or row.base_url
        if not base_url:
            raise ProviderError(ErrorKind.MODEL_NOT_FOUND, "The provider has no base URL.")
        return f"{base_url}/{operation}"
