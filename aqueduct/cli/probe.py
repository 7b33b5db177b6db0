"""Calls providers from the command line: with the same adapters and credentials as the gateway; knows no provider."""

import asyncio
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from msgspec import Struct

from adapters.base import Call, Deployment, SupportsModelDiscovery
from adapters.errors import ErrorKind, ProviderError
from adapters.http1 import Http1Transport
from adapters.registry import AdapterUnavailableError, build
from aqueduct.catalog.secrets import SecretBox, SecretError
from aqueduct.cli.session import Session
from aqueduct.config.records import Record, pairs
from aqueduct.config.stored import Database

_CURES: Final[Mapping[ErrorKind, str]] = {
    ErrorKind.CONNECTION: " Is its base_url right, and may this machine connect to it?",
    ErrorKind.CREDENTIALS: " Give it a key that works: its secret in aqueduct.yaml, or the variable that this names.",
    ErrorKind.MODEL_NOT_FOUND: " Is its base_url right?",
}
"""What an operator can do about it, after what went wrong."""


class ProbeError(Exception):
    """A provider that cannot be called or does not answer as it should; the text holds no secret."""


class NoDiscoveryError(ProbeError):
    """The adapter cannot list models."""


class Account(Struct, frozen=True, kw_only=True):
    """A provider as it is stored, and the means to open its secret."""

    record: Record
    row_id: UUID
    secret: str | None
    box: SecretBox
    environment: Mapping[str, str]

    def deployment(self) -> Deployment:
        """Return what an adapter needs for a call that is about no model; raises `SecretError`."""
        fields = self.record.fields
        return Deployment(
            id=str(self.row_id),
            model="",
            provider=self.record.name,
            adapter=str(fields["adapter"]),
            upstream_model="",
            base_url=str(fields["base_url"]),
            credential=self.box.resolve(self.secret, self.row_id, self.environment),
            quirks=str(fields["quirks"]),
            options=pairs(fields["options"]),
            headers=pairs(fields["headers"]),
        )


def accounts(database: Database, session: Session) -> dict[str, Account]:
    """Return the stored providers by name."""
    box = session.secrets()
    return {
        record.name: Account(
            record=record,
            row_id=database.ids[record.key],
            secret=database.secrets.get(record.key, {}).get("secret"),
            box=box,
            environment=session.environment,
        )
        for record in database.stored.records.values()
        if record.kind == "provider"
    }


async def discover(account: Account, *, timeout_s: float) -> tuple[str, ...]:
    """Return the ids of the models that a provider offers; raises `ProbeError`."""
    name = account.record.name
    transport = Http1Transport()
    try:
        deployment = account.deployment()
        adapter = build(deployment.adapter, transport)
        if not isinstance(adapter, SupportsModelDiscovery):
            raise NoDiscoveryError(f"The adapter '{deployment.adapter}' cannot list models.")
        deadline = asyncio.get_running_loop().time() + timeout_s
        async with asyncio.timeout(timeout_s):
            return await adapter.list_models(Call(deployment=deployment, request_id="discover", deadline=deadline))
    except (SecretError, AdapterUnavailableError) as error:
        raise ProbeError(f"Provider '{name}': {error}") from error
    except TimeoutError as error:
        raise ProbeError(f"Provider '{name}' did not answer within {timeout_s:g} s.") from error
    except ProviderError as error:
        status = f" (status {error.status})" if error.status else ""
        cure = _CURES.get(error.kind, "")
        raise ProbeError(f"Provider '{name}': {error.message.rstrip('.')}{status}.{cure}") from error
    finally:
        await transport.aclose()
