"""The single checks of `aqueduct doctor`: each looks at one thing and says what to do about it; must not print."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.registry import AdapterUnavailableError, adapter_class, adapter_types, operations, problems
from aqueduct.catalog.secrets import SecretError
from aqueduct.cli.probe import Account, NoDiscoveryError, ProbeError, discover
from aqueduct.cli.session import Session
from aqueduct.config.stored import Database
from aqueduct.settings import unknown_variables

Verdict = Literal["ok", "warn", "fail"]
MIN_POSTGRES: Final = 150_000
MAX_CLOCK_SKEW_S: Final = 5.0
MIN_FREE_BYTES: Final = 512 * 1024 * 1024
PROBE_TIMEOUT_S: Final = 15.0


class Finding(Struct, frozen=True):
    """One line of the report. `fail` means that requests would fail."""

    check: str
    verdict: Verdict
    text: str


def settings(session: Session) -> Iterator[Finding]:
    """Look at the settings: misspelt names, the secret key."""
    for sentence in unknown_variables(session.environment):
        yield Finding("settings", "warn", sentence)
    try:
        session.secrets()
    except SecretError as error:
        yield Finding("secret key", "fail", str(error))
        return
    yield Finding("settings", "ok", "can be read")
    if session.settings.secret_key is None:
        yield Finding(
            "secret key",
            "ok",
            "not set; only keys named as env:NAME can be used, and signed reasoning is kept in memory",
        )
    else:
        yield Finding("secret key", "ok", "has the right form")


def data_folder(session: Session) -> Iterator[Finding]:
    """Look at the folder for local state: writable, with space."""
    folder = Path(session.settings.data_dir).resolve()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".aqueduct-doctor-", dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError:
        yield Finding("data folder", "fail", f"{folder} cannot be written; set AQUEDUCT_DATA_DIR to a folder that can")
        return
    if free < MIN_FREE_BYTES:
        yield Finding("data folder", "warn", f"{folder} has only {free // 1024 // 1024} MiB free")
    else:
        yield Finding("data folder", "ok", f"{folder} can be written")


async def database(engine: AsyncEngine) -> list[Finding]:
    """Look at the server: its version and its clock."""
    async with engine.connect() as connection:
        version = (await connection.execute(text("SHOW server_version_num"))).scalar_one()
        now = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    skew_s = abs((datetime.now(UTC) - now).total_seconds())
    found = [Finding("clock", "ok", "agrees with the database's")]
    if skew_s > MAX_CLOCK_SKEW_S:
        reason = f"differs from the database's by {skew_s:.0f} s, which moves expiry and usage; synchronise both (NTP)"
        found = [Finding("clock", "warn", reason)]
    if int(version) < MIN_POSTGRES:
        found.append(
            Finding("database", "fail", f"PostgreSQL {int(version) // 10_000} is too old; 15 or later is needed")
        )
    else:
        found.append(Finding("database", "ok", f"PostgreSQL {int(version) // 10_000} answers"))
    return found


def adapters() -> Iterator[Finding]:
    """Load every adapter."""
    for name in sorted(adapter_types()):
        try:
            can = operations(adapter_class(name))
        except AdapterUnavailableError:
            continue  # named below, with the reason
        except (ImportError, AttributeError) as error:
            yield Finding(
                f"adapter {name}", "fail", f"cannot be loaded ({type(error).__name__}); reinstall the gateway"
            )
            continue
        yield Finding(f"adapter {name}", "ok", ", ".join(sorted(can)))
    for problem in problems():
        yield Finding("adapters", "fail", problem)


def provider(account: Account) -> Iterator[Finding]:
    """Look at a provider without calling it: adapter, URL, key."""
    name = f"provider {account.record.name}"
    fields = account.record.fields
    if fields["enabled"] is not True:
        yield Finding(name, "ok", "disabled")
        return
    wrong = [*_adapter_problem(str(fields["adapter"])), *_url_problem(str(fields["base_url"]))]
    try:
        account.box.resolve(account.secret, account.row_id, account.environment)
    except SecretError as error:
        wrong.append(f"{error}; set it for the gateway's process, or change the provider's secret")
    for reason in wrong:
        yield Finding(name, "fail", reason)
    if not wrong:
        yield Finding(name, "ok", "adapter, URL and key are well formed; --online asks the provider")


def mcp_servers(database: Database, session: Session) -> Iterator[Finding]:
    """Look at the MCP servers without calling them: whether their headers can be had."""
    box = session.secrets()
    records = (record for record in database.stored.records.values() if record.kind == "MCP server")
    for record in sorted(records, key=lambda record: record.name):
        name = f"MCP server {record.name}"
        if record.fields["enabled"] is not True:
            yield Finding(name, "ok", "disabled")
            continue
        wrong = False
        for header, stored in database.secrets[record.key].items():
            try:
                box.resolve(stored, database.ids[record.key], session.environment)
            except SecretError as error:
                wrong = True
                advice = "set it for the gateway's process, or change the header"
                yield Finding(name, "fail", f"the header '{header}': {error}; {advice}")
        if not wrong:
            yield Finding(name, "ok", "URL and headers are usable")


def models(stored: Database) -> Iterator[Finding]:
    """Look for models that no deployment serves."""
    records = stored.stored.records.values()
    served = {
        record.parents[0][1] for record in records if record.kind == "deployment" and record.fields["enabled"] is True
    }
    names = sorted(record.name for record in records if record.kind == "model" and record.fields["enabled"] is True)
    for name in names:
        if name not in served:
            yield Finding(f"model {name}", "warn", "has no enabled deployment; requests for it get a 503")
    if not names:
        yield Finding("models", "warn", "there is none; add one with `aqueduct apply`")
    elif served.issuperset(names):
        yield Finding("models", "ok", f"{len(names)}, each with a deployment")


async def online(found: dict[str, Account]) -> list[Finding]:
    """Ask every enabled provider for its models, all at once."""
    enabled = [account for account in found.values() if account.record.fields["enabled"] is True]
    return list(await asyncio.gather(*(_probe(account) for account in enabled)))


async def _probe(account: Account) -> Finding:
    name = f"online {account.record.name}"
    try:
        offered = await discover(account, timeout_s=PROBE_TIMEOUT_S)
    except NoDiscoveryError:
        return Finding(name, "ok", "not asked: its adapter cannot list models")
    except ProbeError as error:
        return Finding(name, "fail", str(error))
    return Finding(name, "ok", f"answers, {len(offered)} models")


def _adapter_problem(adapter: str) -> Iterator[str]:
    try:
        adapter_class(adapter)
    except (AdapterUnavailableError, ImportError, AttributeError) as error:
        yield str(error)


def _url_problem(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        valid = not url or (parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0)
    except ValueError:
        valid = False
    if not valid:
        yield "base_url is no http or https URL"
