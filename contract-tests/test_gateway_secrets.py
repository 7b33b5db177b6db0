"""Trap 24, the safe full of keys: canaries in every place that holds a secret, and none of them anywhere else.

The gateway runs as a process; good requests and all kinds of failures pass through it; then everything that it wrote
or answered is searched: logs, errors, metrics, health, schema, and every table of the database.
"""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from gateway_fixtures import fresh_database
from msgspec import Struct
from raw_http import Answer, ask, request_bytes
from serving_process import ServingProcess, chat_request, serving, wait_until
from upstreams import Fault, OpenAI, Upstream, json_reply

from aqueduct.catalog.secrets import SecretBox
from aqueduct.config.apply import Request, apply
from aqueduct.config.read import read
from aqueduct.db.cluster import Cluster
from aqueduct.db.engine import create_engine

TOKEN = "aq_canary-of-the-client-token-0123456789"
KEY = "sk-canary-of-the-upstream-key-0123456789"
PROMPT = "canary-of-the-prompt"
COMPLETION = "canary-of-the-completion"
ARGUMENTS = "canary-of-the-arguments"
HEADER = "canary-of-a-custom-header"
PASSWORD = "canary-of-the-database-password"
PATH = "canary-of-the-base-url"
MCP_KEY = "canary-of-an-mcp-header-0123456789"
MCP_PATH = "canary-of-an-mcp-server"
SECRET_KEY = "Y2FuYXJ5LW9mLXRoZS1zZWNyZXQta2V5LTMyYnl0ZXM="
CANARIES = (KEY, PROMPT, COMPLETION, ARGUMENTS, HEADER, PASSWORD, PATH, TOKEN, SECRET_KEY, MCP_KEY, MCP_PATH)
CONFIGURED = frozenset({PATH, HEADER, MCP_PATH})
"""What the tables of providers and MCP servers hold because it is configuration and no secret."""
CONFIG = """
orgs: [{{slug: demo, name: Demo, users: [{{email: ada@example.org, name: Ada}}]}}]
tokens: [{{name: test, owner: "user:ada@example.org", token: env:CANARY_TOKEN}}]
providers:
  - name: named
    adapter: openai
    base_url: "{url}/{path}/v1"
    secret: env:CANARY_KEY
    headers: {{x-custom: "{header}"}}
  - {{name: stored, adapter: openai, base_url: "{url}/{path}/v1", secret: "{key}"}}
  - {{name: nowhere, adapter: openai, base_url: "http://127.0.0.1:{dead}/{path}/v1", secret: env:CANARY_KEY}}
mcp_servers:
  - {{name: wiki, url: "{url}/{mcp_path}", headers: {{authorization: env:CANARY_KEY, x-key: "{mcp_key}"}}}}
models:
  - {{name: named, deployments: [{{provider: named, upstream_model: gpt-4o-mini}}]}}
  - {{name: stored, deployments: [{{provider: stored, upstream_model: gpt-4o-mini}}]}}
  - {{name: nowhere, deployments: [{{provider: nowhere, upstream_model: gpt-4o-mini}}]}}
"""
FAULTS = (
    *(Fault(error=status) for status in (400, 401, 403, 404, 429, 500)),
    Fault(page="html", page_status=502),
    Fault(page="empty"),
    Fault(corrupt="json"),
    Fault(corrupt="utf8"),
    Fault(cut_after_bytes=0),
    Fault(cut_fraction=0.5),
    Fault(cut_fraction=0.5, cut_with="rst"),
    Fault(missing_bytes=10),
    Fault(no_response=True),
    Fault(content_type="text/plain"),
)
STREAM_FAULTS = (*FAULTS, Fault(error_event_at=2), Fault(corrupt="json", corrupt_at=4), Fault(cut_after=4))
TELL_TALE_STATUSES = (400, 401, 403, 404, 413, 422, 429, 500, 503)


class Heard(Struct, frozen=True):
    """What came out of the gateway."""

    errors: bytes
    pages: bytes
    log: str
    usage: str
    tables: str


@pytest.fixture(scope="module")
def heard(gateway_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    """Everything that leaves the gateway, after traffic of all kinds."""
    folder = tmp_path_factory.mktemp("canaries")
    plain = fresh_database(gateway_cluster, "canaries")
    url = plain.replace("postgres@", f"postgres:{PASSWORD}@", 1)
    assert PASSWORD in url
    with Upstream(OpenAI(KEY)) as upstream, pytest.MonkeyPatch.context() as patch:
        for name, value in (("CANARY_TOKEN", TOKEN), ("CANARY_KEY", KEY)):
            patch.setenv(name, value)
        configure(url, upstream, folder)
        settings = {"database_url": url, "secret_key": SECRET_KEY, "log_level": "debug", "max_attempts": "1"}
        with serving("serve", folder / "serve", usage_flush_s="0.1", **settings) as process:
            assert_works(process)
            failed = [answer for answer in failures(process, upstream) if answer.status != 200 or is_stream(answer)]
            errors = b"".join(map(answer_bytes, failed))
            paths = ("/metrics", "/schema", "/health/live", "/health/ready", "/v1/models", "/v1/me")
            pages = b"".join(answer_bytes(process.get(path)) for path in paths)
            pages += answer_bytes(ask(process.port, request_bytes("/v1/models", method="GET", token=TOKEN)))
            pages += answer_bytes(ask(process.port, request_bytes("/v1/me", method="GET", token=TOKEN)))
            wait_until(lambda: "aqueduct_usage_spool_records 0.0" in process.get("/metrics").body.decode(), 10, "rows")
            assert process.stop() == 0
        assert upstream.problems == []
        tables = asyncio.run(dump(plain))
        usage = "".join(text for name, text in tables.items() if name.startswith("usage."))
        yield Heard(errors, pages, process.output, usage, "".join(tables.values()))


def configure(url: str, upstream: Upstream, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = taken.getsockname()[1]
    path = folder / "aqueduct.yaml"
    mcp = {"mcp_path": MCP_PATH, "mcp_key": MCP_KEY}
    path.write_text(CONFIG.format(url=upstream.url, path=PATH, header=HEADER, key=KEY, dead=dead, **mcp))
    document, source = read(path)
    request = Request(
        document=document, source=source, secrets=SecretBox(SECRET_KEY), environment={"CANARY_TOKEN": TOKEN}
    )

    async def run() -> None:
        engine = create_engine(url, pool_size=1)
        try:
            await apply(engine, request)
        finally:
            await engine.dispose()

    asyncio.run(run())


def assert_works(process: ServingProcess) -> None:
    """The good requests: the completion repeats the prompt, and a tool's arguments hold what they were made from."""
    tool = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}
    for model in ("named", "stored"):
        for stream in (False, True):
            answer = process.chat(f"{PROMPT} {COMPLETION}", model, token=TOKEN, stream=stream)
            assert answer.status == 200, answer.body
        answer = process.chat(f"[tool] {PROMPT} {ARGUMENTS}", model, token=TOKEN, tools=[tool], user=None)
        assert answer.status == 200, answer.body


def failures(process: ServingProcess, upstream: Upstream) -> Iterator[Answer]:
    """Send what fails in every way; yields the answers."""
    for fault in FAULTS:
        upstream.script(None, fault=fault)
        yield process.chat(PROMPT, "named", token=TOKEN)
    for fault in STREAM_FAULTS:
        upstream.script(None, fault=fault)
        answer = process.chat("Say something long.", "stored", token=TOKEN, stream=True)
        yield answer
    for status in TELL_TALE_STATUSES:
        tale = f"Bearer {KEY} was refused at {upstream.url}/{PATH}/v1/chat/completions"
        if status == 500:
            tale += f" for the prompt '{PROMPT}'"  # as llama.cpp does
        error = {"message": tale, "type": "server_error", "code": KEY, "param": KEY}
        upstream.script(json_reply({"error": error}, status))
        yield process.chat(PROMPT, "named", token=TOKEN)
    yield process.chat(PROMPT, "nowhere", token=TOKEN)
    yield process.chat(PROMPT, "no-such-model", token=TOKEN)
    yield process.chat(PROMPT, "named", token=f"{TOKEN}x")
    yield process.chat(PROMPT, "named", token=TOKEN, temperature="hot", seed=PROMPT)
    yield ask(process.port, chat_request(PROMPT, token=TOKEN)[:-3] + b"}}}")
    yield ask(process.port, request_bytes("/v1/nothing", b"{}", token=TOKEN))


def is_stream(answer: Answer) -> bool:
    return answer.headers["content-type"].startswith("text/event-stream")


def answer_bytes(answer: Answer) -> bytes:
    return answer.body + "".join(f"{name}: {value}\n" for name, value in answer.headers.items()).encode()


async def dump(url: str) -> dict[str, str]:
    """Every row of every table as text, by the table's name."""
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch(
            "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        return {
            name: "\n".join([str(row[0]) for row in await connection.fetch(f"SELECT t::text FROM {name} t")])  # noqa: S608 - names of our own tables
            for (name,) in names
        }
    finally:
        await connection.close(timeout=5)


@pytest.mark.parametrize("canary", CANARIES)
def test_secret_is_in_no_answer_log_metric_or_usage_row(heard: Heard, canary: str) -> None:
    """Trap 24."""
    assert canary.encode() not in heard.errors
    assert canary.encode() not in heard.pages
    assert canary not in heard.log
    assert canary not in heard.usage
    if canary not in CONFIGURED:
        assert canary not in heard.tables


def test_upstream_address_is_told_to_nobody(heard: Heard) -> None:
    """Trap 24: an upstream's host is the operator's matter."""
    for text in (heard.errors.decode(errors="replace"), heard.pages.decode(), heard.usage):
        assert "127.0.0.1" not in text


def test_database_keeps_secrets_encrypted_or_by_name_and_tokens_by_hash(heard: Heard) -> None:
    """Trap 24: what a copy of the database gives away."""
    assert "enc:v1:" in heard.tables
    assert "env:CANARY_KEY" in heard.tables
    assert TOKEN[:12] not in heard.log


def test_canaries_were_really_sent(heard: Heard) -> None:
    """The search above finds nothing because nothing leaks, not because nothing happened."""
    assert heard.errors.count(b'"error"') > 30
    assert heard.log.count('"endpoint"') > 40
    assert b"aqueduct_requests_total" in heard.pages
    assert b'"mcp_servers":["wiki"]' in heard.pages
    assert heard.usage.count("gpt-4o-mini") > 30
