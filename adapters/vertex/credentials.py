"""The deployment's credential to the header that carries it; knows no model. Only this module imports google-auth.

| Secret, or option `credentials`          | What is sent                                                        |
|------------------------------------------|---------------------------------------------------------------------|
| JSON of a service account                | an access token, got for a signed JWT at the JSON's own `token_uri` |
| `AIza...`, `AQ....`, or option `api_key` | the API key, in `x-goog-api-key`                                    |
| any other text                           | the text itself, as an access token                                 |
| option `default`                         | an access token of the application default credentials              |

Sources: RFC 7523 and https://developers.google.com/identity/protocols/oauth2/service-account, checked 2026-11-24.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError
from datetime import UTC, datetime
from typing import Final, Protocol
from urllib.parse import urlencode

import google.auth
import msgspec
from google.auth import crypt, jwt
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport import Request as GoogleRequest
from msgspec import Struct
from typing_extensions import override

from adapters.base import Call
from adapters.errors import UNREADABLE, ErrorKind, ProviderError, kind_of_status
from adapters.exchange import Failure
from adapters.transport import Header, Request, Transport

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
MARGIN_S: Final = 60.0
FETCH_S: Final = 30.0
LIFETIME_S: Final = 3600
MAX_TOKENS: Final = 1000
_MAX_BYTES: Final = 1024 * 1024
_GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_FORM: Final[Header] = (b"content-type", b"application/x-www-form-urlencoded")
_DEFAULT: Final = "\0default"  # no secret is written like this


class Grant(Struct, frozen=True, kw_only=True):
    """The header, and the project that the credential belongs to where it says so."""

    header: Header
    project: str | None = None
    is_key: bool = False


class ServiceAccount(Struct, frozen=True, kw_only=True):
    """What is used of a service account's JSON."""

    type: str
    client_email: str
    private_key: str
    token_uri: str
    private_key_id: str | None = None
    project_id: str | None = None


class TokenAnswer(Struct, frozen=True, kw_only=True):
    """What is used of a token endpoint's answer, `expires_in` in seconds."""

    access_token: str | None = None
    expires_in: float = 0.0
    error: str | None = None


_ACCOUNT: Final = msgspec.json.Decoder(ServiceAccount)
_ANSWER: Final = msgspec.json.Decoder(TokenAnswer)


class _Token(Struct, frozen=True):
    grant: Grant
    expires_at: float


class _Slot:
    """One credential's token. Whoever finds it stale refreshes it; the others wait and share what came of it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.token: _Token | None = None
        self.refused: ProviderError | None = None
        self.attempts = 0


class Credentials:
    """Access tokens, kept until `MARGIN_S` before they expire. `clock` gives Unix seconds."""

    def __init__(self, transport: Transport, *, clock: Callable[[], float] = time.time) -> None:
        self._transport = transport
        self._clock = clock
        self._slots: dict[str, _Slot] = {}

    async def grant(self, call: Call) -> Grant:
        """Return what authorises a call; raises `ProviderError` (`CREDENTIALS` where Google refuses)."""
        kind = call.deployment.options.get("credentials", "")
        if kind == "default":
            return await self._kept(_DEFAULT, call, lambda: self._fetch_default(call))
        credential = call.deployment.credential
        if credential is None or not credential.value.strip():
            raise _refused("The deployment has no credential.")
        secret = credential.value.strip()
        if kind == "api_key" or (not kind and secret.startswith(("AIza", "AQ."))):
            return Grant(header=(b"x-goog-api-key", secret.encode()), is_key=True)
        if kind == "access_token" or (not kind and not secret.startswith("{")):
            return Grant(header=_bearer(secret))
        if kind not in {"", "service_account"}:
            raise _refused("The deployment's option 'credentials' has an unknown value.")
        return await self._kept(secret, call, lambda: self._fetch(secret, call))

    def forget(self, grant: Grant) -> None:
        """Ask for a new token next time: Google has refused this one before its time."""
        for slot in self._slots.values():
            if slot.token is not None and slot.token.grant is grant:
                slot.token = None

    async def _kept(self, key: str, call: Call, fetch: Callable[[], Coroutine[object, object, _Token]]) -> Grant:
        slot = self._slot(key)
        token = self._usable(slot)
        if token is not None:
            return token.grant
        seen = slot.attempts
        try:
            async with asyncio.timeout_at(call.deadline), slot.lock:
                token = self._usable(slot)
                if token is None:
                    if slot.refused is not None and slot.attempts != seen:
                        raise _refused(slot.refused.message)
                    token = await _attempt(slot, fetch)
        except TimeoutError:
            raise ProviderError(ErrorKind.TIMEOUT, "Google's access token did not come in time.") from None
        return token.grant

    def _slot(self, key: str) -> _Slot:
        slot = self._slots.pop(key, None) or _Slot()
        self._slots[key] = slot  # the latest last
        if len(self._slots) > MAX_TOKENS:
            del self._slots[next(iter(self._slots))]
        return slot

    def _usable(self, slot: _Slot) -> _Token | None:
        token = slot.token
        return token if token is not None and self._clock() < token.expires_at - MARGIN_S else None

    async def _fetch(self, secret: str, call: Call) -> _Token:
        try:
            account = _ACCOUNT.decode(secret)
        except UNREADABLE:
            raise _refused("The deployment's credential is no service account's JSON.") from None
        if account.type != "service_account" or not account.token_uri.startswith(("https://", "http://")):
            raise _refused("The deployment's credential is no service account's JSON.")
        asked_at = self._clock()
        assertion = await asyncio.to_thread(_sign, account, int(asked_at))
        form = urlencode({"grant_type": _GRANT_TYPE, "assertion": assertion}).encode()
        status, headers, data = await _exchange(self._transport, call, ("POST", account.token_uri, [_FORM], form))
        token, lifetime_s = _read_token(status, headers, data)
        return _Token(Grant(header=_bearer(token), project=account.project_id), asked_at + lifetime_s)

    async def _fetch_default(self, call: Call) -> _Token:
        """Let google-auth find the credentials and refresh them, in a thread, over our transport."""
        bridge = _Bridge(self._transport, call, asyncio.get_running_loop())
        try:
            token, project, expires_at = await asyncio.to_thread(_load_default, bridge)
        except (GoogleAuthError, OSError, ValueError):
            if bridge.failure is not None:
                raise bridge.failure from None
            raise _refused("The application default credentials cannot be used.") from None
        if not token:
            raise _refused("The application default credentials gave no access token.")
        expiry = expires_at if expires_at is not None else self._clock() + LIFETIME_S
        return _Token(Grant(header=_bearer(token), project=project), expiry)


async def _attempt(slot: _Slot, fetch: Callable[[], Coroutine[object, object, _Token]]) -> _Token:
    slot.refused = None
    try:
        slot.token = await fetch()
    except ProviderError as error:
        slot.attempts += 1
        slot.refused = error if error.kind is ErrorKind.CREDENTIALS else None
        raise
    return slot.token


def _sign(account: ServiceAccount, now: int) -> str:
    claims = {
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": now,
        "exp": now + LIFETIME_S,
    }
    try:
        signer = crypt.RSASigner.from_string(account.private_key, account.private_key_id)  # type: ignore[no-untyped-call]  # as google-auth has it
        token: bytes = jwt.encode(signer, claims)  # type: ignore[no-untyped-call]  # as google-auth has it
    except (GoogleAuthError, ValueError, TypeError):
        raise _refused("The private key of the deployment's credential cannot be used.") from None
    return token.decode("ascii")


async def _exchange(
    transport: Transport, call: Call, request: tuple[str, str, list[Header], bytes], within_s: float = FETCH_S
) -> tuple[int, dict[str, str], bytes]:
    method, url, headers, body = request
    deadline = min(call.deadline, asyncio.get_running_loop().time() + within_s)
    response = await transport.send(
        Request(
            method=method,
            url=url,
            headers=headers,
            body=body,
            timeouts=call.deployment.timeouts,
            deadline=deadline,
        )
    )
    try:
        return response.status, response.headers, await response.read(_MAX_BYTES)
    finally:
        await response.aclose()


def _read_token(status: int, headers: dict[str, str], data: bytes) -> tuple[str, float]:
    """Return the token and its lifetime in seconds; the endpoint's words stay out of the error, its code does not."""
    try:
        answer = _ANSWER.decode(data)
    except UNREADABLE:
        answer = TokenAnswer()
    if 200 <= status < 300 and answer.access_token:
        return answer.access_token, answer.expires_in
    is_busy = status == 429 or status >= 500
    raise ProviderError(
        kind_of_status(status) if is_busy else ErrorKind.CREDENTIALS,
        "Google gave no access token for the deployment's credential.",
        status=status,
        code=answer.error,
        retry_after_s=Failure(status, headers, data).retry_after_s,
    )


def _bearer(token: str) -> Header:
    return (b"authorization", b"Bearer " + token.encode())


def _refused(message: str) -> ProviderError:
    return ProviderError(ErrorKind.CREDENTIALS, message)


# --- application default credentials, which google-auth knows how to find ------------------------------------------


class _Answer(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    data: bytes


class _Found(Protocol):
    token: str | None
    expiry: datetime | None  # in UTC, without a zone

    def refresh(self, request: GoogleRequest) -> None: ...


_find: Callable[..., tuple[_Found, str | None]] = google.auth.default  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - as google-auth has it


class _Bridge(GoogleRequest):
    """Sends google-auth's requests, which come from a thread, over the transport of the event loop."""

    def __init__(self, transport: Transport, call: Call, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call = call
        self._loop = loop
        self.failure: ProviderError | None = None

    @override
    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **kwargs: object,
    ) -> _Answer:
        del kwargs  # of other transports
        data = body.encode() if isinstance(body, str) else body or b""
        sent = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        exchange = _exchange(
            self._transport, self._call, (method, url, sent, data), FETCH_S if timeout is None else timeout
        )
        try:
            found = asyncio.run_coroutine_threadsafe(exchange, self._loop).result(FETCH_S)
        except ProviderError as error:
            self.failure = error
            raise TransportError from None
        except (TimeoutError, CancelledError):
            raise TransportError from None
        self.failure = None
        return _Answer(*found)


def _load_default(bridge: _Bridge) -> tuple[str | None, str | None, float | None]:
    """Return token, project and expiry (Unix seconds). Blocks: runs in a thread."""
    credentials, project = _find(scopes=[SCOPE], request=bridge)
    credentials.refresh(bridge)
    expiry = credentials.expiry
    return credentials.token, project, None if expiry is None else expiry.replace(tzinfo=UTC).timestamp()
