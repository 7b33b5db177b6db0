"""Media at web addresses through the whole gateway: refused where fetching is off, content upstream where it is on."""

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openai
import pytest
from gateway_fixtures import Mocks, fresh_database, providers_yaml
from running_gateway import ORGANISATION, TOKEN, RunningGateway, apply_yaml, running_gateway
from typing_extensions import override

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

PNG = b"\x89PNG\r\n\x1a\n" + b"picture-canary" * 4
SECRET = "secret-in-the-address-canary"


class Files(BaseHTTPRequestHandler):
    """Serves one picture, and a redirect to where nobody may go."""

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer."""
        if self.path.startswith("/inside"):
            self.send_response(302)
            self.send_header("location", "http://169.254.169.254/latest/meta-data/")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("content-type", "image/png")
        self.send_header("content-length", str(len(PNG)))
        self.end_headers()
        self.wfile.write(PNG)


UNFETCHED = """\
  - name: gemini-unfetched
    fetch_media: false
    deployments: [{provider: google, upstream_model: gemini-2.5-flash}]
"""


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    """The address of a server of files on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def fetching(
    gateway_cluster: Cluster, session_mocks: Mocks, files: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """A gateway that fetches from loopback."""
    url = fresh_database(gateway_cluster, "media")
    models = providers_yaml(session_mocks).replace("models:\n", "models:\n" + UNFETCHED)
    apply_yaml(url, ORGANISATION + models, tmp_path_factory.mktemp("media"))
    allow = ("127.0.0.0/8", files.removeprefix("http://"))
    folder: Path = tmp_path_factory.mktemp("data")
    settings = Settings(
        database_url=url, data_dir=str(folder), usage_flush_s=0.05, media_fetch="all", media_fetch_allow=allow
    )
    with running_gateway(settings) as gateway:
        yield gateway


def ask(gateway: RunningGateway, model: str, address: str) -> str | None:
    """Show a model the picture at an address, with the official client."""
    image = {"type": "image_url", "image_url": {"url": address}}
    content = [{"type": "text", "text": "What is this?"}, image]
    with openai.OpenAI(api_key=TOKEN, base_url=gateway.url, max_retries=0) as client:
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    return answer.choices[0].message.content


@pytest.mark.parametrize("model", ["gemini", "bedrock", "vertex-claude", "on-ollama", "ollama-chat"])
def test_picture_at_an_address_reaches_a_provider_that_reads_none(
    model: str, fetching: RunningGateway, files: str, mocks: Mocks, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ask(fetching, model, f"{files}/a.png?key={SECRET}")
    bodies = [entry.exchange.request.body for upstream in mocks.all() for entry in upstream.ledger]
    assert len(bodies) == 1
    assert base64.b64encode(PNG) in bodies[0]
    assert SECRET.encode() not in bodies[0]
    assert SECRET not in "".join(capfd.readouterr())


def test_model_whose_setting_is_off_refuses_the_address_that_its_provider_would_have_fetched(
    fetching: RunningGateway, files: str, mocks: Mocks
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(fetching, "gemini-unfetched", f"{files}/a.png")
    assert (caught.value.code, caught.value.param) == (
        "unsupported_parameter",
        "messages[0].content[1].image_url.url",
    )
    assert mocks.google.ledger == []


def test_picture_at_an_address_is_read_by_a_provider_that_can(
    fetching: RunningGateway, files: str, mocks: Mocks
) -> None:
    address = f"{files}/a.png"
    assert ask(fetching, "claude", address)
    assert address.encode() in mocks.anthropic.ledger[0].exchange.request.body


@pytest.mark.parametrize("path", ["/inside", "/a.png"])
def test_address_that_leads_inside_is_a_400_that_tells_nothing(
    path: str, fetching: RunningGateway, files: str, mocks: Mocks, capfd: pytest.CaptureFixture[str]
) -> None:
    address = f"{files}{path}?key={SECRET}" if path == "/inside" else f"http://10.255.255.1{path}?key={SECRET}"
    with pytest.raises(openai.BadRequestError) as caught:
        ask(fetching, "bedrock", address)
    error = caught.value
    assert (error.code, error.param) == ("media_not_fetched", "messages[0].content[1].image_url.url")
    assert "It cannot be reached, or is not open to the gateway." in error.message
    assert mocks.bedrock.ledger == []
    assert SECRET not in "".join(capfd.readouterr()) + error.message


@pytest.mark.parametrize("model", ["gemini", "bedrock", "vertex-claude", "ollama-chat"])
def test_gateway_that_may_not_fetch_refuses_the_address(model: str, gateway: RunningGateway, files: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(gateway, model, f"{files}/a.png")
    error = caught.value
    assert (error.code, error.param) == ("unsupported_parameter", "messages[0].content[1].image_url.url")
