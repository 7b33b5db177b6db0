"""`/v1/models`: what the caller may use, and nothing else."""

from typing import Final

from litestar import Response, get
from litestar.params import FromPath

from aqueduct.api.ordinary import AnyRequest, gateway_of, json_response, principal_of
from aqueduct.catalog.snapshot import ResolvedModel
from aqueduct.errors import model_not_found
from schemas.models import Model, ModelList

PATHS: Final = ["/models", "/v1/models"]
ONE_PATHS: Final = ["/models/{name:path}", "/v1/models/{name:path}"]


@get(PATHS, sync_to_thread=False, include_in_schema=False)
def list_models(request: AnyRequest) -> Response[bytes]:
    """List the models that the token may use."""
    principal = principal_of(request)
    models = gateway_of(request.scope).catalog.current.visible_models(principal)
    return json_response(request, ModelList(data=[_to_model(model) for model in models]))


@get(ONE_PATHS, sync_to_thread=False, include_in_schema=False)
def get_model(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """Describe one model that the token may use; names may contain slashes."""
    principal = principal_of(request)
    wanted = name.removeprefix("/")
    snapshot = gateway_of(request.scope).catalog.current
    model = snapshot.resolve(wanted)
    if model is None or not snapshot.may_use(principal, model.name):
        raise model_not_found(wanted)
    described = _to_model(model)
    described.id = wanted
    return json_response(request, described)


def _to_model(model: ResolvedModel) -> Model:
    return Model(id=model.name, created=model.created, owned_by=model.owned_by)
