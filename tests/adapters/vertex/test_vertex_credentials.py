"""Which header a credential becomes, and when its token is fetched, kept, shared and forgotten."""

import asyncio
import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.auth import jwt

from adapters.base import Deployment, Secret
from adapters.conformance.case import Played, PlayedResponse
from adapters.errors import ErrorKind, ProviderError
from adapters.transport import Request, UpstreamResponse
from adapters.vertex import VertexAdapter
from adapters.vertex.credentials import Credentials, Grant
from tests.adapters.vertex.vertex_fixtures import GEMINI, Scripted, call_of, deployment, encode, request

NOW = 1_760_000_000.0
TOKEN_URI = "https://tokens.example/token"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
ACCOUNT = {
    "type": "service_account",
    "project_id": "of-the-account",
    "private_key_id": "k1",
    "private_key": PEM,
    "client_email": "gateway@of-the-account.iam.example",
    "token_uri": TOKEN_URI,
}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def account(**changes) -> Deployment:
    return deployment(credential=Secret(json.dumps({**ACCOUNT, **changes})), options={})


def answer(token: str, expires_in: float = 3600) -> dict:
    return {"access_token": token, "expires_in": expires_in, "token_type": "Bearer"}


def bearer(token: str) -> tuple[bytes, bytes]:
    return (b"authorization", f"Bearer {token}".encode())


async def granted(of: Deployment, *exchanges: object) -> Grant:
    return await Credentials(Scripted(*exchanges), clock=Clock()).grant(call_of(of))


async def failure(of: Deployment, *exchanges: object) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await granted(of, *exchanges)
    assert "PRIVATE" not in str(caught.value)
    assert "canary" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("secret", "options", "header"),
    [
        ("ya29.token", {}, bearer("ya29.token")),
        ("  ya29.token\n", {}, bearer("ya29.token")),
        ("AIza-key", {}, (b"x-goog-api-key", b"AIza-key")),
        ("AQ.key", {}, (b"x-goog-api-key", b"AQ.key")),
        ("other", {"credentials": "api_key"}, (b"x-goog-api-key", b"other")),
        ("AIza-key", {"credentials": "access_token"}, bearer("AIza-key")),
    ],
)
async def test_credential_that_needs_no_exchange_is_sent_as_it_is(
    secret: str, options: dict, header: tuple[bytes, bytes]
) -> None:
    grant = await granted(deployment(credential=Secret(secret), options=options))
    assert grant.header == header
    assert grant.is_key is (header[0] == b"x-goog-api-key")


async def test_api_key_without_a_project_takes_the_short_path() -> None:
    transport = Scripted(GEMINI)
    of = deployment(credential=Secret("AIza-key"), options={"location": "us-east5"})
    await VertexAdapter(transport).chat(request(), call_of(of))
    url = "https://aiplatform.googleapis.com/v1/publishers/google/models/gemini-3.5-flash:generateContent"
    assert transport.requests[0].url == url


async def test_service_account_exchanges_a_signed_claim_for_a_token() -> None:
    transport = Scripted(answer("t1"))
    grant = await Credentials(transport, clock=Clock()).grant(call_of(account()))
    assert grant == Grant(header=bearer("t1"), project="of-the-account")
    sent = transport.requests[0]
    assert (sent.method, sent.url) == ("POST", TOKEN_URI)
    form = parse_qs(sent.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claims, _ = form["assertion"][0].split(".")
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert json.loads(base64.urlsafe_b64decode(claims + "==")) == {
        "iss": ACCOUNT["client_email"],
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": TOKEN_URI,
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
    }
    with pytest.raises(ValueError, match="expired"):  # the signature holds, the time is over
        jwt.decode(form["assertion"][0], certs=PUBLIC)
    assert transport.all_released


async def test_service_accounts_project_stands_in_the_url_unless_the_operator_names_one() -> None:
    transport = Scripted(answer("t1"), GEMINI, answer("t2"), GEMINI)
    await VertexAdapter(transport).chat(request(), call_of(account()))
    of = deployment(credential=account().credential, options={"project": "named"})
    await VertexAdapter(transport).chat(request(), call_of(of))
    assert "/projects/of-the-account/locations/global/" in transport.requests[1].url
    assert "/projects/named/locations/global/" in transport.requests[3].url
    assert bearer("t2") in transport.requests[3].headers


async def test_token_is_kept_until_a_minute_before_it_expires() -> None:
    clock = Clock()
    transport = Scripted(answer("t1", 3599), answer("t2"))
    credentials = Credentials(transport, clock=clock)
    assert (await credentials.grant(call_of(account()))).header == bearer("t1")
    clock.now += 3538
    assert (await credentials.grant(call_of(account()))).header == bearer("t1")
    clock.now += 1
    assert (await credentials.grant(call_of(account()))).header == bearer("t2")
    assert len(transport.requests) == 2


async def test_token_of_one_account_is_not_another_accounts() -> None:
    credentials = Credentials(Scripted(answer("t1"), answer("t2")), clock=Clock())
    assert (await credentials.grant(call_of(account()))).header == bearer("t1")
    assert (await credentials.grant(call_of(account(client_email="b@x.example")))).header == bearer("t2")


async def test_calls_at_once_share_one_exchange() -> None:
    transport = Scripted(answer("t1"), wait_s=0.02)
    credentials = Credentials(transport, clock=Clock())
    grants = await asyncio.gather(*(credentials.grant(call_of(account())) for _ in range(20)))
    assert {grant.header for grant in grants} == {bearer("t1")}
    assert len(transport.requests) == 1


async def test_calls_at_once_share_one_refusal_and_the_next_asks_again() -> None:
    transport = Scripted((400, {"error": "invalid_grant"}), answer("t2"), wait_s=0.02)
    credentials = Credentials(transport, clock=Clock())
    found = await asyncio.gather(*(credentials.grant(call_of(account())) for _ in range(5)), return_exceptions=True)
    assert [error.kind for error in found] == [ErrorKind.CREDENTIALS] * 5
    assert len(transport.requests) == 1
    assert (await credentials.grant(call_of(account()))).header == bearer("t2")


async def test_cancelled_exchange_leaves_the_next_caller_free() -> None:
    transport = Scripted(answer("t1"), wait_s=0.02)
    credentials = Credentials(transport, clock=Clock())
    first = asyncio.create_task(credentials.grant(call_of(account())))
    await asyncio.sleep(0)  # it holds the lock now
    first.cancel()
    assert (await credentials.grant(call_of(account()))).header == bearer("t1")
    assert first.cancelled()
    assert len(transport.requests) == 1


async def test_exchange_ends_with_the_calls_deadline() -> None:
    with pytest.raises(ProviderError) as caught:
        await Credentials(Scripted(answer("t1"), wait_s=5), clock=Clock()).grant(call_of(account(), within_s=0.2))
    assert caught.value.kind == "timeout"


async def test_refused_token_is_forgotten() -> None:
    refusal = (401, {"error": {"code": 401, "message": "m", "status": "UNAUTHENTICATED"}})
    transport = Scripted(answer("t1"), refusal, answer("t2"), GEMINI)
    adapter = VertexAdapter(transport)
    with pytest.raises(ProviderError) as caught:
        await adapter.chat(request(), call_of(account()))
    assert caught.value.kind == "credentials"
    await adapter.chat(request(), call_of(account()))
    assert bearer("t2") in transport.requests[3].headers


async def test_refusal_of_an_older_token_leaves_the_newer() -> None:
    transport = Scripted(answer("t1"), answer("t2"))
    credentials = Credentials(transport, clock=Clock())
    older = await credentials.grant(call_of(account()))
    credentials.forget(older)
    newer = await credentials.grant(call_of(account()))
    credentials.forget(older)
    assert await credentials.grant(call_of(account())) is newer
    assert newer.header == bearer("t2")


@pytest.mark.parametrize(
    ("exchange", "kind", "code"),
    [
        ((400, {"error": "invalid_grant", "error_description": "canary"}), "credentials", "invalid_grant"),
        ((401, b"<html>canary"), "credentials", None),
        ((200, {}), "credentials", None),
        ((200, b"canary"), "credentials", None),
        ((429, b""), "rate_limit", None),
        ((503, {"error": {"canary": 1}}), "overloaded", None),
        (ProviderError(ErrorKind.CONNECTION, "No connection."), "connection", None),
    ],
)
async def test_exchange_that_fails_says_what_may_be_said(exchange: object, kind: str, code: str | None) -> None:
    error = await failure(account(), exchange)
    assert (error.kind, error.code) == (kind, code)


@pytest.mark.parametrize(
    "of",
    [
        deployment(credential=None),
        deployment(credential=Secret("  ")),
        deployment(credential=Secret("{")),
        deployment(credential=Secret('{"type": "service_account"}')),
        account(type="external_account"),
        account(token_uri="file:///etc/passwd"),
        account(private_key="-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n"),
        deployment(options={"credentials": "guess"}),
        deployment(options={"credentials": "service_account"}),
    ],
)
async def test_credential_that_is_none_is_a_credentials_error_without_an_exchange(of: Deployment) -> None:
    assert (await failure(of)).kind == "credentials"


# --- application default credentials


async def test_default_credentials_are_found_and_exchanged_over_our_transport(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "adc.json"
    path.write_text(json.dumps(ACCOUNT))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    transport = Scripted(answer("adc1"))
    credentials = Credentials(transport)
    of = deployment(credential=None, options={"credentials": "default"})
    grants = await asyncio.gather(*(credentials.grant(call_of(of)) for _ in range(3)))
    assert {(grant.header, grant.project) for grant in grants} == {(bearer("adc1"), "of-the-account")}
    assert [sent.url for sent in transport.requests] == [TOKEN_URI]
    assert transport.all_released


async def test_default_credentials_that_cannot_be_used_are_a_credentials_error(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "adc.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    of = deployment(credential=None, options={"credentials": "default"})
    assert (await failure(of)).kind == "credentials"
    path.write_text(json.dumps({"type": "service_account"}))
    assert (await failure(of)).kind == "credentials"
    path.write_text(json.dumps(ACCOUNT))
    assert (await failure(of, (400, {"error": "invalid_grant"}))).kind == "credentials"
    lost = ProviderError(ErrorKind.CONNECTION, "No connection.")
    assert (await failure(of, *[lost] * 9)).kind == "connection"


class MetadataServer(Scripted):
    """Google Cloud's metadata server, as every machine there has it."""

    async def send(self, request: Request) -> UpstreamResponse:
        self.requests.append(request)
        path = urlsplit(request.url).path.rstrip("/")
        bodies: dict[str, object] = {
            "": b"",
            "/computeMetadata/v1/project/project-id": b"of-the-machine",
            "/computeMetadata/v1/instance/service-accounts/default": {
                "email": "m@x.example",
                "scopes": [],
                "aliases": [],
            },
            "/computeMetadata/v1/instance/service-accounts/default/token": answer("machine1"),
        }
        headers = {"metadata-flavor": "Google", "content-type": "application/json"}
        if path.endswith("project-id"):
            headers["content-type"] = "application/text"
        response = PlayedResponse(Played([encode(bodies[path])], headers=headers))
        self.responses.append(response)
        return response


async def test_default_credentials_of_a_machine_come_from_its_metadata_server(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "NO_GCE_CHECK", "GCE_METADATA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    transport = MetadataServer()
    of = deployment(credential=None, options={"credentials": "default"})
    grant = await Credentials(transport).grant(call_of(of))
    assert grant == Grant(header=bearer("machine1"), project="of-the-machine")
    assert {urlsplit(sent.url).scheme for sent in transport.requests} == {"http"}
    assert all((b"metadata-flavor", b"Google") in sent.headers for sent in transport.requests)
    assert transport.all_released
