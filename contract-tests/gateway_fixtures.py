"""Fixtures of the whole gateway in front of the provider mocks; one gateway and one set of mocks for a session."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
import pytest
from msgspec import Struct, structs
from running_gateway import ORGANISATION, RunningGateway, apply_yaml, running_gateway
from upstreams import (
    Anthropic,
    Azure,
    Bedrock,
    Cohere,
    Google,
    Mistral,
    Ollama,
    OpenAI,
    OpenRouter,
    Upstream,
    Vertex,
    VertexClaude,
)

from adapters.openai_compatible.quirks import ROWS
from aqueduct.db import migrate
from aqueduct.db.cluster import Cluster
from aqueduct.db.embedded import newest_programs
from aqueduct.settings import Settings

CLUSTER_OPTIONS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
COMPATIBLE = tuple(name for name in ROWS if name != "vllm")
"""The rows of quirks that have a provider and a model `on-NAME` of their own, at the OpenAI mock."""
OWN_ADAPTERS = ("mistral", "openrouter")
"""Adapters for dialects near OpenAI's, each with a mock and a model of its name."""
PROVIDERS = """
providers:
  - {{name: openai, adapter: openai, base_url: "{openai}/v1", secret: env:TEST_SECRET}}
  - {{name: vllm, adapter: openai_compatible, quirks: vllm, base_url: "{compatible}/v1", secret: env:TEST_SECRET}}
  - {{name: azure, adapter: azure_openai, base_url: "{azure}", secret: env:TEST_SECRET}}
  - {{name: anthropic, adapter: anthropic, base_url: "{anthropic}", secret: env:TEST_SECRET}}
  - {{name: google, adapter: google, base_url: "{google}/v1beta", secret: env:TEST_SECRET}}
  - name: vertex
    adapter: vertex
    base_url: "{vertex}"
    secret: env:TEST_SECRET
    options: {{project: demo, location: europe-west4}}
  - name: vertex-claude
    adapter: vertex
    base_url: "{vertex_claude}"
    secret: env:TEST_SECRET
    options: {{project: demo, location: europe-west1}}
  - {{name: bedrock, adapter: bedrock, base_url: "{bedrock}", secret: env:TEST_SECRET}}
  - name: bedrock-signed
    adapter: bedrock
    base_url: "{bedrock}"
    secret: env:TEST_AWS_SECRET
    options: {{region: eu-central-1}}
  - {{name: cohere, adapter: cohere, base_url: "{cohere}", secret: env:TEST_SECRET}}
  - {{name: ollama-own, adapter: ollama, base_url: "{ollama}", secret: env:TEST_SECRET}}
  - {{name: echo, adapter: echo}}
models:
  - {{name: gpt, aliases: [gpt-alias], deployments: [{{provider: openai, upstream_model: gpt-4o-mini}}]}}
  - {{name: unchecked, schema_check: "off", deployments: [{{provider: openai, upstream_model: gpt-4o-mini}}]}}
  - {{name: repaired, schema_check: repair, deployments: [{{provider: openai, upstream_model: gpt-4o-mini}}]}}
  - {{name: gpt-azure, deployments: [{{provider: azure, upstream_model: gpt-4o-mini}}]}}
  - {{name: llama, deployments: [{{provider: vllm, upstream_model: meta-llama/Llama-3.3-70B-Instruct}}]}}
  - {{name: claude, max_output_tokens: 4096, deployments: [{{provider: anthropic, upstream_model: claude-sonnet-4-6}}]}}
  - {{name: gemini, deployments: [{{provider: google, upstream_model: gemini-2.5-flash}}]}}
  - {{name: gemini-embedding, deployments: [{{provider: google, upstream_model: gemini-embedding-001}}]}}
  - {{name: vertex-gemini, deployments: [{{provider: vertex, upstream_model: gemini-2.5-flash}}]}}
  - {{name: vertex-embedding, deployments: [{{provider: vertex, upstream_model: text-embedding-005}}]}}
  - {{name: vertex-embedding-2, deployments: [{{provider: vertex, upstream_model: gemini-embedding-2}}]}}
  - name: vertex-claude
    max_output_tokens: 4096
    deployments: [{{provider: vertex-claude, upstream_model: "claude-sonnet-4-5@20250929"}}]
  - name: bedrock
    max_output_tokens: 4096
    deployments: [{{provider: bedrock, upstream_model: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"}}]
  - name: bedrock-signed
    deployments: [{{provider: bedrock-signed, upstream_model: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"}}]
  - {{name: cohere, deployments: [{{provider: cohere, upstream_model: command-a-03-2025}}]}}
  - {{name: cohere-rerank, operations: [rerank], deployments: [{{provider: cohere, upstream_model: rerank-v3.5}}]}}
  - {{name: cohere-embedding, deployments: [{{provider: cohere, upstream_model: embed-v4.0}}]}}
  - {{name: ollama-chat, deployments: [{{provider: ollama-own, upstream_model: a-model}}]}}
  - {{name: strict, extra_params: reject, deployments: [{{provider: openai, upstream_model: gpt-4o-mini}}]}}
  - {{name: "openai/*", deployments: [{{provider: openai, upstream_model: "*"}}]}}
  - {{name: echo, deployments: [{{provider: echo, upstream_model: echo}}]}}
  - {{name: hidden, deployments: [{{provider: echo, upstream_model: echo}}]}}
  - name: two
    deployments:
      - {{provider: openai, upstream_model: first, priority: 0}}
      - {{provider: anthropic, upstream_model: claude-sonnet-4-6, priority: 1}}
grants:
  - {{subject: org:demo, deny: [hidden]}}
  - {{subject: team:demo/everyone, allow: [echo, gpt]}}
"""


class Mocks(Struct, frozen=True):
    """The provider mocks behind the gateway."""

    openai: Upstream
    compatible: Upstream
    azure: Upstream
    anthropic: Upstream
    google: Upstream
    vertex: Upstream
    vertex_claude: Upstream
    bedrock: Upstream
    cohere: Upstream
    ollama: Upstream
    mistral: Upstream
    openrouter: Upstream

    def all(self) -> tuple[Upstream, ...]:
        """Every mock."""
        return structs.astuple(self)


@pytest.fixture(scope="session")
def gateway_cluster() -> Iterator[Cluster]:
    """The wheel's PostgreSQL for gateways, with a template that holds the newest schema."""
    with tempfile.TemporaryDirectory(prefix="aqueduct-contract-") as folder:
        cluster = Cluster(newest_programs(), Path(folder) / "postgres", options=CLUSTER_OPTIONS)
        try:
            cluster.start()
            execute(cluster.url, "CREATE DATABASE gateway_template")
            asyncio.run(migrate.upgrade(cluster.database_url("gateway_template")))
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="session")
def session_mocks() -> Iterator[Mocks]:
    """All mocks, for the whole session."""
    with ExitStack() as stack:
        dialects = (
            OpenAI(), OpenAI(extra_fields=None, reasons=True), Azure(), Anthropic(), Google(), Vertex(), VertexClaude(),
            Bedrock(), Cohere(), Ollama(), Mistral(), OpenRouter(),
        )  # fmt: skip
        yield Mocks(*(stack.enter_context(Upstream(dialect)) for dialect in dialects))


@pytest.fixture(scope="session")
def session_gateway(
    gateway_cluster: Cluster, session_mocks: Mocks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """One gateway with a model per provider, for the whole session."""
    url = fresh_database(gateway_cluster, "contract")
    apply_yaml(url, ORGANISATION + providers_yaml(session_mocks), tmp_path_factory.mktemp("config"))
    settings = Settings(database_url=url, usage_flush_s=0.05, max_attempts=2, keepalive_ping_s=1.0)
    with running_gateway(settings) as gateway:
        yield gateway


@pytest.fixture
def mocks(session_mocks: Mocks) -> Iterator[Mocks]:
    """The mocks, with nothing scripted; what no provider would do fails the test."""
    for upstream in session_mocks.all():
        upstream.reset()
    yield session_mocks
    assert [problem for upstream in session_mocks.all() for problem in upstream.problems] == []


@pytest.fixture
def gateway(session_gateway: RunningGateway, mocks: Mocks) -> RunningGateway:
    """The gateway, with an empty usage table."""
    del mocks
    session_gateway.forget_rows()
    return session_gateway


def providers_yaml(mocks: Mocks) -> str:
    """The providers and models of the standard gateway."""
    standard = PROVIDERS.format(**{name: upstream.url for name, upstream in structs.asdict(mocks).items()})
    providers = "".join(
        f"  - {{name: {name}, adapter: openai_compatible, quirks: {name}, base_url: '{mocks.compatible.url}/v1',"
        " secret: env:TEST_SECRET}\n"
        for name in COMPATIBLE
    )
    models = "".join(
        f"  - {{name: on-{name}, deployments: [{{provider: {name}, upstream_model: a-model}}]}}\n"
        for name in COMPATIBLE
    )
    for name in OWN_ADAPTERS:
        base_url = f"{getattr(mocks, name).url}/v1"
        providers += f"  - {{name: own-{name}, adapter: {name}, base_url: '{base_url}', secret: env:TEST_SECRET}}\n"
        models += f"  - {{name: {name}, deployments: [{{provider: own-{name}, upstream_model: a-model}}]}}\n"
    return standard.replace("models:\n", f"{providers}models:\n{models}")


def fresh_database(cluster: Cluster, name: str) -> str:
    """Make a database with the newest schema; returns its URL."""
    execute(cluster.url, f"CREATE DATABASE {name} TEMPLATE gateway_template STRATEGY file_copy")
    return cluster.database_url(name)


def execute(url: str, statement: str) -> None:
    """Run one statement."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close(timeout=5)

    asyncio.run(run())


@contextmanager
def stoppable_cluster(*options: str) -> Iterator[Cluster]:
    """A server that a test may stop; its URL stays the same over a restart."""
    with tempfile.TemporaryDirectory(prefix="aqueduct-outage-") as folder:
        cluster = Cluster(newest_programs(), Path(folder) / "postgres", options=options)
        try:
            cluster.start()
            cluster.stop()
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A server that a test may stop."""
    with stoppable_cluster(*CLUSTER_OPTIONS) as cluster:
        yield cluster
