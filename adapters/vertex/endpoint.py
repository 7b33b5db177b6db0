"""Whose model it is and where Vertex AI serves it; knows no body and no credential.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest and .../docs/learn/locations, and
`google-genai` 3.4 and `anthropic` 2.12, checked 2026-11-24. Options of the deployment: `project` and `location`.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from adapters.base import Deployment
from adapters.errors import ErrorKind, ProviderError

Publisher = Literal["google", "anthropic"]
DEFAULT_LOCATION: Final = "global"
_PUBLISHERS: Final[Mapping[str, Publisher]] = {"google": "google", "anthropic": "anthropic"}
_REGIONS: Final = frozenset({"us", "eu"})  # served by several data centres, at hosts of their own
_VERSION: Final = re.compile(r"/v\d+[a-z0-9]*$")
_LOCATION: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_PROJECT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,127}")
_NAMED: Final = re.compile(r"(?:(?:publishers/)?([a-z0-9-]+)/(?:models/)?)?([A-Za-z0-9][A-Za-z0-9._@-]{0,199})")
_TUNED: Final = re.compile(r"endpoints/([A-Za-z0-9-]{1,64})")


class Model(Struct, frozen=True, kw_only=True):
    """A model: its publisher and its path below the location."""

    publisher: Publisher
    path: str


def model_of(deployment: Deployment) -> Model:
    """Return the deployment's model; raises `ProviderError` for a name that cannot be one.

    Names are `gemini-...`, `claude-...`, `google/...`, `publishers/google/models/...`, and `endpoints/...` for a tuned
    Gemini. A name without a publisher is Google's, unless it is a Claude's.
    """
    name = deployment.upstream_model
    tuned = _TUNED.fullmatch(name)
    if tuned is not None:
        return Model(publisher="google", path=f"endpoints/{tuned[1]}")
    found = _NAMED.fullmatch(name)
    if found is None:
        raise ProviderError(ErrorKind.MODEL_NOT_FOUND, "The provider has no model of this name.", param="model")
    given = found[1] or ("anthropic" if found[2].startswith("claude") else "google")
    publisher = _PUBLISHERS.get(given)
    if publisher is None:
        message = "Only models of Google and Anthropic are served here."
        raise ProviderError(ErrorKind.MODEL_NOT_FOUND, message, param="model")
    return Model(publisher=publisher, path=f"publishers/{publisher}/models/{found[2]}")


def url_of(deployment: Deployment, model: Model, method: str, *, project: str | None, has_key: bool) -> str:
    """Return the URL of a model's method. `project` is the credential's own; the operator's option wins over it.

    An API key without a project means express mode, which knows neither project nor location.
    """
    location = deployment.options.get("location") or DEFAULT_LOCATION
    if _LOCATION.fullmatch(location) is None:
        raise _misconfigured("The deployment's option 'location' has no valid value.")
    project = deployment.options.get("project") or project
    if project is None and has_key:
        return f"{_base_url(deployment, DEFAULT_LOCATION)}/{model.path}:{method}"
    if project is None:
        raise _misconfigured("The deployment needs the option 'project'.")
    if _PROJECT.fullmatch(project) is None:
        raise _misconfigured("The deployment's option 'project' has no valid value.")
    return f"{_base_url(deployment, location)}/projects/{project}/locations/{location}/{model.path}:{method}"


def _base_url(deployment: Deployment, location: str) -> str:
    base_url = deployment.base_url or _host(location)
    return base_url if _VERSION.search(base_url) else f"{base_url}/v1"


def _host(location: str) -> str:
    if location == DEFAULT_LOCATION:
        return "https://aiplatform.googleapis.com"
    if location in _REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def _misconfigured(message: str) -> ProviderError:
    return ProviderError(ErrorKind.MODEL_NOT_FOUND, message)
