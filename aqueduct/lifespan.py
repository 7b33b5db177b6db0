"""Builds the parts of a gateway, and starts and stops them in the right order."""

import asyncio
import gc
import logging
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import SystemRandom
from typing import Final
from uuid import uuid4

from litestar import Litestar

from adapters.base import SupportsChat
from adapters.http1 import Http1Transport
from adapters.registry import AdapterUnavailableError, adapter_types, build
from adapters.transport import Transport
from aqueduct.api.gateway import Gateway
from aqueduct.api.gauges import publish_gauges
from aqueduct.catalog.loader import Loader
from aqueduct.catalog.row_checks import Sources
from aqueduct.catalog.secrets import SecretBox
from aqueduct.catalog.watcher import Catalog
from aqueduct.db.connections import DedicatedConnection, Pool, connect, create_pool
from aqueduct.db.readers import Readers
from aqueduct.ids import RequestIds
from aqueduct.limits.leases import Leases, local_ms
from aqueduct.limits.ledger import Ledger
from aqueduct.limits.store import PostgresStore
from aqueduct.media.fetch import Bounds, Fetcher
from aqueduct.media.guard import parse_guard
from aqueduct.observability.metrics import Metrics
from aqueduct.observability.request_log import RequestLog
from aqueduct.pipeline.execute import Pipeline
from aqueduct.pipeline.limiting import LimitedAdmission
from aqueduct.pipeline.media import ChatWithContents, FetchingAdapter
from aqueduct.pipeline.usage_log import UsageLog
from aqueduct.schema_check.checker import SchemaChecker
from aqueduct.server.body_budget import BodyBudget
from aqueduct.server.stream_watch import StreamWatch
from aqueduct.server.upkeep import Upkeep
from aqueduct.settings import Settings, SettingsError, variable
from aqueduct.usage.journal import Journal
from aqueduct.usage.recorder import JOURNAL_COLUMNS, Recorder
from aqueduct.vault.vault import Vault

SEND_TIMEOUT_S: Final = 60.0
GC_THRESHOLDS: Final = (10_000, 20, 20)
"""Requests leave no cycles behind: looking for them after each 700 objects was 1.5 % of the CPU."""
LAST_REQUESTS_S: Final = 5.0
LAST_ROWS_S: Final = 20.0
LAST_STATES_S: Final = 5.0
VAULT_READERS: Final = 3
LIMITS_REPORT_S: Final = 1.0
logger = logging.getLogger("aqueduct")


class AdapterCache:
    """The adapters of this process, built when a deployment first needs them."""

    def __init__(self, transport: Transport, around_chat: Callable[[object], object] = lambda built: built) -> None:
        self._transport = transport
        self._around_chat = around_chat
        self._adapters: dict[str, object] = {}
        self._supporting: dict[tuple[str, type], object | None] = {}

    def supporting(self, adapter: str, operation: type) -> object | None:
        """Return the adapter of a type, None where it cannot be loaded or does not implement the Protocol."""
        key = (adapter, operation)
        if key not in self._supporting:
            built = self._built(adapter)
            if operation is SupportsChat:
                built = self._around_chat(built)
            self._supporting[key] = built if isinstance(built, operation) else None
        return self._supporting[key]

    def _built(self, adapter: str) -> object:
        if adapter not in self._adapters:
            try:
                self._adapters[adapter] = build(adapter, self._transport)
            except AdapterUnavailableError as error:
                logger.error("adapter_unavailable adapter=%s reason=%s", adapter, error)  # noqa: TRY400 - no defect of ours
                self._adapters[adapter] = None
        return self._adapters[adapter]


class UsageDatabase:
    """Where the recorder gets its connection from."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def connect(self) -> DedicatedConnection:
        """Return a new connection."""
        return await connect(self._url, application_name="aqueduct-usage")


class VaultDatabase:
    """Where the vault gets its connections from."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def connect(self) -> DedicatedConnection:
        """Return a new connection for writing."""
        return await connect(self._url, application_name="aqueduct-vault")

    async def pool(self) -> Pool:
        """Return connections for reading."""
        return await create_pool(self._url, size=VAULT_READERS, application_name="aqueduct-vault")


def build_gateway(settings: Settings) -> Gateway:
    """Return the parts, none of them started."""
    if settings.database_url is None:
        message = "AQUEDUCT_DATABASE_URL is not set: `aqueduct serve` starts the embedded database and sets it."
        raise ValueError(message)
    metrics = Metrics()
    transport = Http1Transport()
    secrets = SecretBox(settings.secret_key, settings.previous_secret_keys)
    loader = Loader(Sources(adapter_types(), secrets, os.environ), time.time, settings.limits_time_zone)
    catalog = Catalog(settings.database_url, loader, poll_s=settings.catalog_poll_s)
    journal = Journal(
        Path(settings.journal_dir or Path(settings.data_dir, "journal")),
        JOURNAL_COLUMNS,
        max_bytes=settings.journal_max_bytes,
        sync_always=settings.journal_sync == "always",
        now=time.time,
    )
    recorder = Recorder(
        UsageDatabase(settings.database_url),
        metrics,
        journal,
        flush_s=settings.usage_flush_s,
        flush_rows=settings.usage_flush_records,
        keep_days=settings.usage_retention_days,
    )
    vault = _vault(settings, secrets, metrics)
    admission = _admission(settings, settings.database_url, metrics, journal)
    checker = SchemaChecker()
    pipeline = Pipeline(
        snapshot=lambda: catalog.current,
        adapters=AdapterCache(transport, _around_chat(settings)),
        admission=admission,
        usage=UsageLog(recorder),
        random=SystemRandom(),
        count_attempt=metrics.attempt,
        vault=vault,
        checker=checker,
        max_attempts=settings.max_attempts,
        request_timeout_s=settings.request_timeout_s,
    )
    return Gateway(
        settings=settings,
        catalog=catalog,
        pipeline=pipeline,
        admission=admission,
        transport=transport,
        recorder=recorder,
        readers=Readers(settings.database_url),
        metrics=metrics,
        request_log=RequestLog(sys.stdout.fileno(), as_text=settings.log_format == "text"),
        stream_watch=StreamWatch(ping_s=settings.keepalive_ping_s, send_timeout_s=SEND_TIMEOUT_S),
        vault=vault,
        checker=checker,
        request_ids=RequestIds(),
        bodies=BodyBudget(settings.max_bodies_bytes),
    )


def _vault(settings: Settings, secrets: SecretBox, metrics: Metrics) -> Vault | None:
    if settings.vault_ttl_s == 0 or settings.database_url is None:
        return None
    return Vault(VaultDatabase(settings.database_url), secrets, metrics, ttl_s=settings.vault_ttl_s)


def _around_chat(settings: Settings) -> Callable[[object], object]:
    """Return what puts the stage that fetches media around an adapter's chat, where the operator wants it."""
    scope = settings.media_fetch
    if scope == "off":
        return lambda built: built
    try:
        guard = parse_guard(settings.media_fetch_allow)
    except ValueError as error:
        raise SettingsError(f"{variable('media_fetch_allow')}: {error}") from None
    bounds = Bounds(max_bytes=settings.media_fetch_max_bytes, timeout_s=settings.media_fetch_timeout_s)
    fetcher = Fetcher(guard, bounds)

    def around(built: object) -> object:
        return ChatWithContents(built, fetcher, scope) if isinstance(built, FetchingAdapter) else built

    return around


def _admission(settings: Settings, database_url: str, metrics: Metrics, journal: Journal) -> LimitedAdmission:
    ttl_ms = int(settings.limits_lease_s * 1000)
    report_s = min(LIMITS_REPORT_S, settings.limits_lease_s / 5)
    ledger = Ledger(local_ms, ttl_ms=ttl_ms, report_ms=int(report_s * 1000))
    replica = uuid4()
    store = PostgresStore(
        database_url, replica, ttl_ms=ttl_ms, journal=lambda: None if journal.folder is None else journal.folder.name
    )
    return LimitedAdmission(
        Leases(ledger, store, report_s=report_s),
        replica,
        fail_open=settings.limits_fail_open,
        currency=settings.currency,
        count_rejection=metrics.limits.rejected,
    )


def running(gateway: Gateway) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """Return the lifespan: on the way out, requests end first, then their usage is written."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        gc.set_threshold(*GC_THRESHOLDS)  # before a large catalog is loaded, whose rows are no garbage
        await gateway.catalog.start()
        await gateway.recorder.start()
        await gateway.admission.leases.start()
        if gateway.vault is not None:
            await gateway.vault.start()
        await gateway.stream_watch.start()
        upkeep = Upkeep(lambda: publish_gauges(gateway), lambda: gateway.inflight)
        await upkeep.start()
        gc.collect()
        gc.freeze()  # what the start has made lives as long as the process: no collection walks it again
        try:
            yield
        finally:
            gateway.draining = True
            await _last_requests(gateway)
            await upkeep.aclose()
            await gateway.stream_watch.aclose()
            await gateway.recorder.aclose(LAST_ROWS_S)
            if gateway.vault is not None:
                await gateway.vault.aclose(LAST_STATES_S)
            await gateway.admission.leases.aclose()
            await gateway.checker.aclose()
            await gateway.readers.aclose()
            await gateway.transport.aclose()
            await gateway.catalog.stop()
            await gateway.request_log.aclose()

    return lifespan


async def _last_requests(gateway: Gateway) -> None:
    """Wait until requests that the server has cancelled have been recorded."""
    loop = asyncio.get_running_loop()
    until = loop.time() + LAST_REQUESTS_S
    while gateway.inflight and loop.time() < until:  # noqa: ASYNC110 - a plain counter costs the hot path nothing
        await asyncio.sleep(0.01)
