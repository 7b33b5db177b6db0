"""What browsers, proxies and probes ask of every path: methods, HEAD, OPTIONS, and the headers of CORS."""

import json
from collections.abc import Iterator
from uuid import UUID

import pytest
from gateway_fixtures import Mocks, fresh_database, providers_yaml
from raw_http import Answer, Connection, ask, request_bytes
from running_gateway import ORGANISATION, TOKEN, RunningGateway, apply_yaml, running_gateway

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

CHAT = "/v1/chat/completions"
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
OPERATIONS = (CHAT, "/v1/completions", "/v1/embeddings", "/v1/rerank")
PAGES = ("/v1/models", "/v1/models/echo", "/v1/me", "/v1/usage", "/validate", "/health/live", "/health/ready",
         "/metrics", "/schema")  # fmt: skip
ORIGIN = "https://chat.example.org"
STRANGE = "https://evil.example"


def asked(
    gateway: RunningGateway, method: str, path: str, *headers: tuple[str, str], body: bytes = b"", token: str = TOKEN
) -> Answer:
    return ask(gateway.port, request_bytes(path, body, method=method, token=token, headers=headers))


def has_id(answer: Answer) -> bool:
    return UUID(answer.headers["x-request-id"]).version == 7


# --- methods


@pytest.mark.parametrize("path", PAGES)
def test_head_tells_what_get_would(gateway: RunningGateway, path: str) -> None:
    whole = asked(gateway, "GET", path)
    with Connection(gateway.port) as connection:
        connection.send(request_bytes(path, method="HEAD", token=TOKEN))
        head = connection.read_until(b"\r\n\r\n").decode().lower()
        connection.send(request_bytes("/health/live", method="GET"))
        following = connection.answer()

    assert whole.status == 200
    assert head.startswith("http/1.1 200 ")
    assert f"\r\ncontent-type: {whole.headers['content-type']}\r\n" in head
    assert "\r\ncontent-length: " in head
    assert "\r\nx-request-id: " in head
    assert following.json() == {"status": "ok"}, "a body came with the head"


@pytest.mark.parametrize(("path", "token", "status"), [("/v1/me", "x", 401), ("/v1/nothing", TOKEN, 404)])
def test_head_is_refused_as_get_would_be(gateway: RunningGateway, path: str, token: str, status: int) -> None:
    with Connection(gateway.port) as connection:
        connection.send(request_bytes(path, method="HEAD", token=token))

        assert connection.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", [*OPERATIONS, "/chat/completions"])
def test_operation_names_the_method_that_it_takes(gateway: RunningGateway, method: str, path: str) -> None:
    answer = asked(gateway, method, path)

    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert answer.error()["code"] == "method_not_allowed"
    assert has_id(answer)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/echo", "/v1/me", "/health/live", "/schema"])
def test_page_names_the_methods_that_it_takes(gateway: RunningGateway, method: str, path: str) -> None:
    answer = asked(gateway, method, path)

    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert answer.error()["code"] == "method_not_allowed"
    assert has_id(answer)


@pytest.mark.parametrize("path", PAGES)
def test_options_names_the_methods(gateway: RunningGateway, path: str) -> None:
    answer = asked(gateway, "OPTIONS", path)

    assert answer.status == 204
    assert {"GET", "HEAD", "OPTIONS"} <= set(answer.headers["allow"].split(", "))
    assert has_id(answer)


@pytest.mark.parametrize("path", ["/v1/me", "/validate", "/v1/models", CHAT])
def test_refused_credentials_name_the_scheme(gateway: RunningGateway, path: str) -> None:
    answer = asked(gateway, "POST" if path == CHAT else "GET", path, token="nobody")

    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_metrics_have_the_media_type_of_their_format(gateway: RunningGateway) -> None:
    answer = asked(gateway, "GET", "/metrics")

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


# --- CORS


@pytest.fixture(scope="module")
def shared(
    gateway_cluster: Cluster, session_mocks: Mocks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """A gateway for the browsers of one origin."""
    url = fresh_database(gateway_cluster, "browsers")
    apply_yaml(url, ORGANISATION + providers_yaml(session_mocks), tmp_path_factory.mktemp("browsers"))
    with running_gateway(Settings(database_url=url, cors_origins=(ORIGIN, "https://other.example.org"))) as gateway:
        yield gateway


def preflight(gateway: RunningGateway, path: str = CHAT, *, origin: str = ORIGIN, method: str = "POST") -> Answer:
    wanted = "authorization,content-type,x-stainless-os"
    headers = (("access-control-request-method", method), ("access-control-request-headers", wanted))
    return asked(gateway, "OPTIONS", path, ("origin", origin), *headers, token="")


@pytest.mark.parametrize("path", [*OPERATIONS, "/v1/models", "/v1/nothing"])
def test_preflight_of_an_allowed_origin_lets_the_sdk_through(shared: RunningGateway, path: str) -> None:
    answer = preflight(shared, path, method="GET" if path == "/v1/models" else "POST")

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert set(answer.headers["access-control-allow-methods"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}
    allowed = answer.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    assert {"authorization", "content-type", "x-stainless-os"} <= set(allowed)
    assert answer.headers["access-control-max-age"] == "600"
    assert answer.headers["vary"].lower() == "origin"
    assert "access-control-allow-credentials" not in answer.headers
    assert has_id(answer)


@pytest.mark.parametrize("origin", [STRANGE, "null", f"{ORIGIN}.evil.example", "http://chat.example.org", ""])
def test_preflight_of_another_origin_is_refused_in_the_one_form(shared: RunningGateway, origin: str) -> None:
    answer = preflight(shared, origin=origin)

    assert (answer.status, answer.error()["code"]) == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in answer.headers
    assert has_id(answer)


@pytest.mark.parametrize(
    ("method", "path", "token", "status"),
    [
        ("POST", CHAT, TOKEN, 200),
        ("POST", CHAT, "nobody", 401),
        ("PUT", CHAT, TOKEN, 405),
        ("GET", "/v1/models", TOKEN, 200),
        ("GET", "/v1/nothing", TOKEN, 404),
    ],
)
def test_answer_is_shared_with_an_allowed_origin(
    shared: RunningGateway, method: str, path: str, token: str, status: int
) -> None:
    body = json.dumps(HELLO).encode() if method == "POST" else b""

    answer = asked(shared, method, path, ("origin", ORIGIN), body=body, token=token)
    other = asked(shared, method, path, ("origin", STRANGE), body=body, token=token)

    assert answer.status == other.status == status
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-origin" not in other.headers
    assert answer.headers["vary"].lower() == other.headers["vary"].lower() == "origin"


def test_answer_without_an_origin_has_no_header_of_cors(shared: RunningGateway) -> None:
    answer = asked(shared, "POST", CHAT, body=json.dumps(HELLO).encode())

    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_every_header_of_an_answer_can_be_read_by_the_browsers_client(shared: RunningGateway, stream: bool) -> None:
    body = json.dumps({**HELLO, "stream": stream, "frobnicate": 1}).encode()

    answer = asked(shared, "POST", CHAT, ("origin", ORIGIN), body=body)

    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    always = {"cache-control", "content-length", "content-type", "date", "transfer-encoding", "vary"}
    hidden = {name for name in answer.headers if not name.startswith("access-control")} - exposed - always
    assert hidden <= {"x-accel-buffering"}
    assert "*" in exposed, "those of the provider have names that nobody knows beforehand"
    assert "x-aqueduct-dropped-params" in answer.headers
    if stream:
        assert answer.body.endswith(b"data: [DONE]\n\n")


def test_gateway_without_origins_answers_no_preflight(gateway: RunningGateway) -> None:
    answer = preflight(gateway)

    assert answer.status == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_any_origin_where_all_are_allowed(
    gateway_cluster: Cluster, session_mocks: Mocks, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = fresh_database(gateway_cluster, "all_browsers")
    apply_yaml(url, ORGANISATION + providers_yaml(session_mocks), tmp_path_factory.mktemp("all_browsers"))
    with running_gateway(Settings(database_url=url, cors_origins=("*",))) as gateway:
        answers = [
            preflight(gateway, origin=STRANGE),
            asked(gateway, "POST", CHAT, ("origin", STRANGE), body=json.dumps(HELLO).encode()),
        ]

    assert [answer.status for answer in answers] == [204, 200]
    assert [answer.headers["access-control-allow-origin"] for answer in answers] == ["*", "*"]
