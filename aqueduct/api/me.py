"""Who am I: `/v1/me` for clients, `/validate` for a reverse proxy's auth sub-request."""

from typing import Final
from uuid import UUID

from litestar import Response, get, post, route
from litestar.enums import HttpMethod
from msgspec import Struct

from aqueduct.api.gateway import Gateway
from aqueduct.api.ordinary import AnyRequest, gateway_of, json_response, principal_of
from aqueduct.db.readers import ReadersBusyError
from aqueduct.dialects.decode import RequestDecoder
from aqueduct.errors import invalid_request, terms_unavailable
from aqueduct.limits.telling import Standing
from aqueduct.server.body import ClientGoneError, read_json_body
from aqueduct.server.body_budget import BodyLease

ACCEPT: Final = """
UPDATE users SET accepted_terms = $2 FROM orgs
 WHERE users.id = $1 AND orgs.id = users.org_id AND orgs.terms_version = $2 RETURNING users.id
"""
MAX_ACCEPTANCE_BYTES: Final = 16 * 1024


class Me(Struct, frozen=True, kw_only=True):
    """The caller. `owner` is `user`, `team` or `service_account`; `expires_at` is in Unix seconds.

    `team` is the one that usage is booked on, `teams` are all whose grants hold, both as `org/team`; `user` is an
    e-mail address, `service_account` stands as `org/team/name`. Limits on cost are in millionths of `currency`.
    """

    token_id: UUID
    token_name: str
    owner: str
    org: str
    team: str | None
    user: str | None
    service_account: str | None
    teams: list[str]
    org_id: UUID
    team_id: UUID | None
    user_id: UUID | None
    service_account_id: UUID | None
    expires_at: float | None
    models: list[str]
    mcp_servers: list[str]
    terms_required: str | None
    currency: str
    limits: tuple[Standing, ...]
    object: str = "aqueduct.me"


class Acceptance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The version of the terms of service that the caller accepts."""

    version: str


_decode: Final = RequestDecoder(Acceptance, Acceptance).decode


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
    team = None if principal.team_name is None else f"{principal.org_slug}/{principal.team_name}"
    body = Me(
        token_id=principal.token_id,
        token_name=principal.token_name,
        owner=principal.owner_kind,
        org=principal.org_slug,
        team=team,
        user=principal.owner_name if principal.owner_kind == "user" else None,
        service_account=f"{team}/{principal.owner_name}" if principal.owner_kind == "service_account" else None,
        teams=[f"{principal.org_slug}/{name}" for name in principal.teams],
        org_id=principal.org_id,
        team_id=principal.team_id,
        user_id=principal.user_id,
        service_account_id=principal.service_account_id,
        expires_at=principal.expires_at,
        models=[model.name for model in snapshot.visible_models(principal)],
        mcp_servers=[server.name for server in snapshot.visible_mcp_servers(principal)],
        terms_required=principal.owes_terms,
        currency=gateway.settings.currency,
        limits=await gateway.admission.standings(principal.limits),
    )
    return json_response(request, body)


@post(["/me/terms", "/v1/me/terms"], status_code=200, include_in_schema=False)
async def accept_terms(request: AnyRequest) -> Response[bytes]:
    """Accept the organisation's terms of service, for all tokens of the calling user."""
    principal = principal_of(request)
    if principal.user_id is None:
        raise invalid_request("invalid_value", "Only a user's token can accept terms of service.")
    acceptance, _ = _decode(await _small_body(request))
    if not await _accept(gateway_of(request.scope), principal.user_id, acceptance.version):
        raise invalid_request("invalid_value", "These are not the present terms: see GET /v1/me.", "version")
    return json_response(request, acceptance)


async def _small_body(request: AnyRequest) -> bytes:
    gateway = gateway_of(request.scope)
    lease = BodyLease(gateway.bodies)
    try:
        pieces, _, _ = await read_json_body(
            request.scope["headers"],
            request.receive,
            lease,
            max_bytes=MAX_ACCEPTANCE_BYTES,
            timeout_s=gateway.settings.body_timeout_s,
        )
    except ClientGoneError:
        raise invalid_request("invalid_json", "The request body did not arrive.") from None
    finally:
        lease.release()
    return b"".join(pieces)


async def _accept(gateway: Gateway, user_id: UUID, version: str) -> bool:
    """Note what a user accepts; False where it is not the present version. Raises `GatewayError` 503."""
    if "\0" in version:
        return False
    try:
        return bool(await gateway.readers.fetch(ACCEPT, user_id, version))
    except ReadersBusyError:
        raise terms_unavailable() from None


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
