"""Settings of a gateway process, from environment variables `AQUEDUCT_*` and a file `.env`; imports no part of it.

The fields of `Settings` are the one table: types, bounds, defaults and descriptions there drive parsing, the
list in `docs/settings.md` and the help of `aqueduct serve`.
"""

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct, structs
from typing_extensions import override

PREFIX = "AQUEDUCT_"
OTHER_VARIABLES = frozenset(
    {"AQUEDUCT_CONFIG", "AQUEDUCT_SOAK", "AQUEDUCT_RECORDINGS", "AQUEDUCT_GOLDEN", "AQUEDUCT_TOKEN"}
)
"""Variables with the prefix that are not settings of the gateway."""

Count = Annotated[int, Meta(ge=1, le=1_000_000_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class SettingsError(ValueError):
    """A setting that cannot be used; the message names the variable and never its value."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator can set for one process."""

    database_url: Annotated[
        str | None,
        Meta(
            description="PostgreSQL 15 or later, as `postgresql://user:password@host/database`. Unset: an embedded"
            " PostgreSQL runs in the data folder."
        ),
    ] = None
    data_dir: Annotated[str, Meta(description="Folder of the embedded PostgreSQL and of other local state.")] = (
        ".aqueduct"
    )
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8080
    workers: Annotated[int, Meta(ge=1, le=256, description="Worker processes; one per core is right.")] = 1
    secret_key: Annotated[
        str | None,
        Meta(
            description="Encrypts provider secrets in the database: 32 random bytes in base64"
            " (`openssl rand -base64 32`). Needed where secrets are stored there, and for the signature vault to"
            " outlive the process."
        ),
    ] = None
    previous_secret_keys: Annotated[
        tuple[str, ...], Meta(description="Older secret keys, comma separated, that may still be read.")
    ] = ()
    max_body_bytes: Annotated[Count, Meta(description="Largest request body; larger ones get 413.")] = 64 * 1024 * 1024
    max_bodies_bytes: Annotated[
        Count, Meta(description="Request bodies that one worker holds at once; beyond it new ones get 503.")
    ] = 1024 * 1024 * 1024
    header_timeout_s: Annotated[Seconds, Meta(description="Time a client has to send a request's head.")] = 10.0
    body_timeout_s: Annotated[Seconds, Meta(description="Time a client has to send a request's body.")] = 60.0
    drain_s: Annotated[float, Meta(ge=0, le=3600, description="Time that open requests have to end after SIGTERM.")] = (
        30.0
    )
    request_timeout_s: Annotated[
        Seconds, Meta(description="Deadline of a whole request, all attempts and the stream together.")
    ] = 600.0
    max_attempts: Annotated[
        int, Meta(ge=1, le=10, description="Upstream attempts per request, fallbacks included.")
    ] = 3
    media_fetch: Annotated[
        Literal["off", "providers", "all"],
        Meta(
            description="Fetch what stands at web addresses where a provider reads none: never, for providers whose"
            " option `fetch_media` is `true`, or for all but those where it is `false`."
        ),
    ] = "off"
    media_fetch_allow: Annotated[
        tuple[str, ...],
        Meta(
            description="Beyond the public Internet, comma separated: hosts that may stand at private addresses"
            " (`files.example.org`, `files.example.org:8443`, `*.example.org`) and networks (`10.1.0.0/16`)."
        ),
    ] = ()
    media_fetch_max_bytes: Annotated[Count, Meta(description="What one request may have fetched, all together.")] = (
        20 * 1024 * 1024
    )
    media_fetch_timeout_s: Annotated[
        Seconds, Meta(description="Time that fetching one address may take, redirects included.")
    ] = 10.0
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Origins of browser clients, comma separated, such as `https://chat.example.org` or"
            " `https://*.example.org`; `*` allows all."
        ),
    ] = ()
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least severity that is logged.")
    ] = "info"
    log_format: Annotated[
        Literal["json", "text"], Meta(description="One JSON object per line, or text for people.")
    ] = "json"
    catalog_poll_s: Annotated[
        Seconds,
        Meta(
            description="How often the catalog's version is checked behind the notifications. Where those do not arrive"
            " (through a pooler in transaction mode), a revocation takes as long."
        ),
    ] = 5.0
    usage_flush_s: Annotated[Seconds, Meta(description="Longest time that a usage record waits to be written.")] = 2.0
    usage_flush_records: Annotated[
        Count, Meta(description="Usage records that are written without waiting for that time.")
    ] = 1_000
    usage_retention_days: Annotated[
        Annotated[int, Meta(ge=1, le=36_500)] | None,
        Meta(
            description="Days that single requests are kept, by whole months; rollups and reports stay. Unset: for"
            " ever."
        ),
    ] = None
    currency: Annotated[
        str, Meta(pattern="^[A-Z]{3}$", description="The currency of all prices and costs, as in ISO 4217.")
    ] = "USD"
    journal_dir: Annotated[
        str | None,
        Meta(
            description="Folder in which usage waits for the database; it must outlive the process. Unset: `journal`"
            " in the data folder."
        ),
    ] = None
    journal_max_bytes: Annotated[
        Count, Meta(description="Usage that one worker may hold back on disk; beyond it new requests get 503.")
    ] = 4 * 1024 * 1024 * 1024
    journal_sync: Annotated[
        Literal["grouped", "always"],
        Meta(
            description="`grouped`: the journal is flushed to the disk every 20 ms, which bounds what a power cut can"
            " take. `always`: before each request goes upstream."
        ),
    ] = "grouped"
    vault_ttl_s: Annotated[
        float,
        Meta(
            ge=0,
            le=31_536_000,
            description="How long signed reasoning is kept for clients that drop it, in seconds; 0 keeps nothing.",
        ),
    ] = 604_800.0
    keepalive_ping_s: Annotated[Seconds, Meta(description="Silence in a stream after which a comment is sent.")] = 15.0
    limits_time_zone: Annotated[
        str, Meta(description="Time zone of calendar windows of limits, such as `Europe/Berlin`.")
    ] = "UTC"
    limits_lease_s: Annotated[
        float,
        Meta(
            ge=1,
            le=600,
            description="Time without a sign of life after which what a worker holds of limits counts as used; four"
            " fifths of it is served without the database.",
        ),
    ] = 15.0
    limits_fail_open: Annotated[
        Literal["none", "rates", "all"],
        Meta(
            description="Which limits let requests through when the database cannot be asked and nothing is held:"
            " none, those that are no budgets, or all. The others answer 503."
        ),
    ] = "none"
    metrics: Annotated[bool, Meta(description="Serve Prometheus metrics on `/metrics`.")] = True

    @override
    def __repr__(self) -> str:
        """Show no value: URLs and keys hold secrets."""
        return "Settings(...)"


def zone_info(name: str) -> tzinfo:
    """Return a time zone by its IANA name; raises `ValueError` or `OSError` where there is none."""
    return UTC if name == "UTC" else ZoneInfo(name)


class Setting(Struct, frozen=True):
    """One setting as documentation shows it."""

    variable: str
    default: str
    description: str


def describe() -> tuple[Setting, ...]:
    """Return every setting, in the order of the table."""
    return tuple(
        Setting(variable(info.name), _shown(info.default), _description(info.type)) for info in structs.fields(Settings)
    )


def settings_table() -> str:
    """Return every setting as the Markdown table of `docs/settings.md`."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in describe():
        default = f"`{setting.default}`" if setting.default else ""
        lines.append(f"| `{setting.variable}` | {default} | {setting.description} |")
    return "\n".join(lines) + "\n"


def variable(name: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + name.upper()


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings; an empty variable counts as unset. Raises `SettingsError` that names the variable."""
    values: dict[str, str | list[str]] = {}
    for info in structs.fields(Settings):
        text = environment.get(variable(info.name), "").strip()
        if text:
            values[info.name] = _items(text) if info.default == () else text
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_named(str(error))) from None
    try:
        zone_info(settings.limits_time_zone)
    except (ValueError, OSError):
        raise SettingsError(f"{variable('limits_time_zone')} is no time zone that this system knows") from None
    if settings.database_url and not settings.database_url.startswith(("postgresql://", "postgres://")):
        raise SettingsError(f"{variable('database_url')} must begin with postgresql://")
    return settings


def read_environment(process: Mapping[str, str], dotenv: Path = Path(".env")) -> dict[str, str]:
    """Return the process's environment over the variables in the file `.env`, which need not exist.

    Lines are `NAME=value`, `export NAME=value`, comments or empty; a value may be quoted, and nothing in it is
    expanded. Raises `SettingsError` that names the file and the line.
    """
    try:
        lines = dotenv.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return dict(process)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{dotenv} cannot be read: {type(error).__name__}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise SettingsError(f"{dotenv} line {number}: expected NAME=value")
        found[match["name"]] = match["single"] or match["double"] or match["bare"] or ""
    return {**found, **process}


def unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each variable with the prefix that is no setting: it may be misspelt."""
    known = {variable(name) for name in Settings.__struct_fields__}
    sentences: list[str] = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known and name not in OTHER_VARIABLES:
            near = difflib.get_close_matches(name, known, n=1)
            sentences.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return tuple(sentences)


_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*
    (?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<bare>[^'"\s#].*?)?)(?:\s+\#.*)?\s*""",
    re.VERBOSE,
)


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _named(message: str) -> str:
    """Turn msgspec's `... - at `$.port`` into a sentence that begins with the variable."""
    reason, _, path = message.partition(" - at `$.")
    field = re.split(r"[`\[.]", path)[0]
    return f"{variable(field)}: {reason}"


def _shown(default: object) -> str:
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def _description(annotation: object) -> str:
    metadata: tuple[object, ...] = getattr(annotation, "__metadata__", ())
    for item in reversed(metadata):
        if isinstance(item, Meta) and item.description:
            return item.description
    return ""
