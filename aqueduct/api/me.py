"""Who am I: `/v1/me` for clients, `/validate` for a reverse proxy's auth sub-request."""

from uuid import UUID

from litestar import Response, get, route
from litestar.enums import HttpMethod
from msgspec import Struct

from aqueduct.api.ordinary import AnyRequest, gateway_of, json_response, principal_of
from aqueduct.limits.telling import Standing


class Me(Struct, frozen=True, kw_only=True):
    """The caller. `owner` is `user`, `team` or `service_account`; `expires_at` is in Unix seconds."""

    token_id: UUID
    token_name: str
    owner: str
    org: str
    org_id: UUID
    team_id: UUID | None
    user_id: UUID | None
    service_account_id: UUID | None
    expires_at: float | None
    models: list[str]
    terms_required: bool
    limits: tuple[Standing, ...]
    object: str = "aqueduct.me"


class Validation(Struct, frozen=True, kw_only=True):
    """A token that is good."""

    valid: bool
    token_id: UUID
    org: str


@get(["/me", "/v1/me"], include_in_schema=False)
async def me(request: AnyRequest) -> Response[bytes]:
    """Describe the caller and what it may use."""
    principal = principal_of(request)
    gateway = gateway_of(request.scope)
    snapshot = gateway.catalog.current
    body = Me(
        token_id=principal.token_id,
        token_name=principal.token_name,
        owner=principal.owner_kind,
        org=principal.org_slug,
        org_id=principal.org_id,
        team_id=principal.team_id,
        user_id=principal.user_id,
        service_account_id=principal.service_account_id,
        expires_at=principal.expires_at,
        models=[model.name for model in snapshot.visible_models(principal)],
        terms_required=principal.owes_terms,
        limits=await gateway.admission.standings(principal.limits),
    )
    return json_response(request, body)


@route(
    ["/validate", "/v1/validate"],
    http_method=[HttpMethod.GET, HttpMethod.POST],
    status_code=200,
    sync_to_thread=False,
    include_in_schema=False,
)
def validate(request: AnyRequest) -> Response[bytes]:
    """Answer 200 for a good token and 401 for any other; a request body is not read."""
    principal = principal_of(request)
    return json_response(request, Validation(valid=True, token_id=principal.token_id, org=principal.org_slug))
