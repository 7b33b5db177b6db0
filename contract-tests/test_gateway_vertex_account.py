"""A service account of Vertex AI through the whole gateway: a signed JWT is exchanged for the token that is sent."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import openai
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from gateway_fixtures import Mocks, fresh_database
from running_gateway import ENVIRONMENT, ORGANISATION, TOKEN, RunningGateway, apply_yaml, running_gateway
from upstreams import Fault, json_reply
from upstreams.dialects.vertex import TOKEN_PATH
from upstreams.recordings import JsonObject

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
EMAIL = "gateway@of-the-account.iam.example"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
MODELS = """
providers:
  - {{name: vertex, adapter: vertex, base_url: "{url}", secret: env:TEST_ACCOUNT, options: {{location: europe-west4}}}}
models:
  - {{name: gemini, deployments: [{{provider: vertex, upstream_model: gemini-2.5-flash}}]}}
"""


@pytest.fixture
def gateway(
    gateway_cluster: Cluster,
    mocks: Mocks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[RunningGateway]:
    """A gateway whose one provider has a service account and no project of its own."""
    account = {
        "type": "service_account",
        "project_id": "of-the-account",
        "private_key_id": "k1",
        "private_key": PEM,
        "client_email": EMAIL,
        "token_uri": mocks.vertex.url + TOKEN_PATH,
    }
    monkeypatch.setenv("TEST_ACCOUNT", json.dumps(account))
    url = fresh_database(gateway_cluster, f"vertex_{abs(hash(request.node.nodeid))}")
    environment = {**ENVIRONMENT, "TEST_ACCOUNT": json.dumps(account)}
    apply_yaml(url, ORGANISATION + MODELS.format(url=mocks.vertex.url), tmp_path, environment)
    with running_gateway(Settings(database_url=url, max_attempts=1)) as running:
        yield running


def ask(gateway: RunningGateway) -> str | None:
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        answer = client.chat.completions.create(model="gemini", messages=[{"role": "user", "content": "hello"}])
    return answer.choices[0].message.content


def operations(mocks: Mocks) -> list[str]:
    return [entry.call.operation for entry in mocks.vertex.ledger]


def part(encoded: str) -> bytes:
    """One part of a JWT."""
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def verified(assertion: str) -> JsonObject:
    """The claims of a JWT that the account's key has signed.

    Raises:
        InvalidSignature: another key has signed it.
    """
    header, claims, signature = assertion.split(".")
    KEY.public_key().verify(part(signature), f"{header}.{claims}".encode(), padding.PKCS1v15(), SHA256())
    assert json.loads(part(header)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    found: JsonObject = json.loads(part(claims))
    return found


def test_service_account_signs_for_one_token_that_serves_many_requests(gateway: RunningGateway, mocks: Mocks) -> None:
    assert ask(gateway)
    assert ask(gateway)

    assert operations(mocks) == ["token", "generateContent", "generateContent"]
    asked = mocks.vertex.ledger[0].call.request
    form = parse_qs(asked.body.decode())
    claims = verified(form["assertion"][0])
    assert (asked.method, form["grant_type"]) == ("POST", [JWT_BEARER])
    assert (claims["iss"], claims["aud"]) == (EMAIL, mocks.vertex.url + TOKEN_PATH)
    assert claims["exp"] - claims["iat"] == 3600
    assert "/projects/of-the-account/" in mocks.vertex.ledger[1].call.request.path


def test_token_that_is_refused_before_its_time_is_asked_for_anew(gateway: RunningGateway, mocks: Mocks) -> None:
    assert ask(gateway)
    mocks.vertex.script(None, fault=Fault(error=401))
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)
    assert ask(gateway)

    assert caught.value.status_code == 502
    assert operations(mocks) == ["token", "generateContent", "generateContent", "token", "generateContent"]


def test_account_that_is_refused_is_told_without_the_endpoints_words(gateway: RunningGateway, mocks: Mocks) -> None:
    refusal = {"error": "invalid_grant", "error_description": "canary: account not found"}
    mocks.vertex.script(json_reply(refusal, status=400), operation="token")
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)

    assert caught.value.status_code == 502
    assert "canary" not in caught.value.response.text
    assert EMAIL not in caught.value.response.text
    assert operations(mocks) == ["token"]
    assert ask(gateway)
