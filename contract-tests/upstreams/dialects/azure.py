"""Azure OpenAI: the deployment stands in the path, the key in `api-key`, and both API generations have their paths."""

import re

from upstreams.dialects.openai import OpenAI
from upstreams.wire import Request

DEPLOYMENT = re.compile(
    r"(?:/[^/]+)*?/openai/deployments/(?P<deployment>[^/]+)/(?:chat/completions|completions|embeddings)"
)
V1 = re.compile(r"(?:/[^/]+)*?/openai/v1/(?:chat/completions|completions|embeddings|models(?:/.+)?)")
LISTING = re.compile(r"(?:/[^/]+)*?/openai/models(?:/[^/]+)?")
API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(?:-preview)?")


class Azure(OpenAI):
    """`/openai/deployments/{d}/...?api-version=`, `/openai/models?api-version=` and `/openai/v1/...`.

    It answers in OpenAI's wire format.
    """

    name = "azure"

    def authenticate(self, request: Request) -> None:
        """`api-key`, or on the v1 paths and with Entra ID a bearer token."""
        if request.header("api-key") == self.key or request.header("authorization") == f"Bearer {self.key}":
            return
        raise self.refuse(401, "Access denied due to invalid subscription key or wrong API endpoint.")

    def model_of(self, request: Request) -> str | None:
        deployment = DEPLOYMENT.fullmatch(request.path)
        if deployment is not None or LISTING.fullmatch(request.path):
            versions = request.query.get("api-version", [])
            if len(versions) != 1 or not API_VERSION.fullmatch(versions[0]):
                raise self.refuse(404, "Resource not found")
            return None if deployment is None else deployment["deployment"]
        if not V1.fullmatch(request.path):
            raise self.refuse(404, "Resource not found")
        return None
