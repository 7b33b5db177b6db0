"""`/v1/usage`: what the caller has used, from the rollups; never anybody else's."""

from datetime import UTC, date, datetime
from typing import Final

from litestar import Response, get
from msgspec import Struct

from aqueduct.api.ordinary import AnyRequest, gateway_of, json_response, principal_of
from aqueduct.auth.principal import Principal
from aqueduct.db.readers import ReadersBusyError
from aqueduct.errors import invalid_request, reports_unavailable
from aqueduct.usage.reports import MAX_DAYS, Dimension, ReportQuery, ReportRow, report

OWN_DIMENSIONS: Final[dict[str, Dimension]] = {"day": "day", "model": "model", "token": "token"}
PARAMETERS: Final = ("from", "to", "by")
MAX_ROWS: Final = 10_000


class UsageReport(Struct, frozen=True, kw_only=True):
    """Sums of the caller's usage from the first to the last day, both included, in UTC.

    `has_more` where more than `MAX_ROWS` groups were found: ask for fewer days or dimensions.
    """

    first: str
    last: str
    currency: str
    data: list[ReportRow]
    has_more: bool = False
    object: str = "aqueduct.usage"


@get(["/usage", "/v1/usage"], include_in_schema=False)
async def usage(request: AnyRequest) -> Response[bytes]:
    """Report the usage of the caller's owner: the user, the service account, or the team of a team's token."""
    principal = principal_of(request)
    gateway = gateway_of(request.scope)
    asked = _asked(request)
    last = _day(asked.get("to"), "to") or datetime.now(UTC).date()
    first = _day(asked.get("from"), "from") or last.replace(day=1)
    if first > last:
        raise invalid_request("invalid_value", f"'from' ({first}) lies after 'to' ({last}).", "from")
    if (last - first).days > MAX_DAYS:
        raise invalid_request("invalid_value", f"'from' lies more than {MAX_DAYS} days before 'to'.", "from")
    query = _own(principal, first, last, _dimensions(asked.get("by")))
    try:
        rows = await report(gateway.readers, query)
    except ReadersBusyError:
        raise reports_unavailable() from None
    body = UsageReport(
        first=first.isoformat(),
        last=last.isoformat(),
        currency=gateway.settings.currency,
        data=rows[:MAX_ROWS],
        has_more=len(rows) > MAX_ROWS,
    )
    return json_response(request, body)


def _asked(request: AnyRequest) -> dict[str, str]:
    """Return the query's parameters; one that means nothing would leave the caller with another report."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in PARAMETERS:
            known = ", ".join(PARAMETERS)
            raise invalid_request("unsupported_parameter", f"Unknown parameter: '{name}'. These exist: {known}.", name)
        if name in found and name != "by":
            raise invalid_request("invalid_value", f"'{name}' stands in the query twice.", name)
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _own(principal: Principal, first: date, last: date, by: tuple[Dimension, ...]) -> ReportQuery:
    of_team = principal.owner_kind == "team"
    return ReportQuery(
        first=first,
        last=last,
        by=by,
        org_id=principal.org_id,
        team_id=principal.team_id if of_team else None,
        user_id=principal.user_id,
        service_account_id=principal.service_account_id,
        max_rows=MAX_ROWS + 1,
    )


def _day(text: str | None, name: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise invalid_request("invalid_value", f"'{name}' must be a date such as 2026-01-31.", name) from None


def _dimensions(text: str | None) -> tuple[Dimension, ...]:
    names = (text or "day,model").split(",")
    found: list[Dimension] = [OWN_DIMENSIONS[name] for name in names if name in OWN_DIMENSIONS]
    if len(found) != len(names) or len(set(found)) != len(found):
        allowed = ", ".join(OWN_DIMENSIONS)
        raise invalid_request("invalid_value", f"'by' must be a list of these, separated by commas: {allowed}.", "by")
    return tuple(found)
