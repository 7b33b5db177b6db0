"""What a request reserved and used of its limits, as its usage row keeps it; knows no counter.

By it a request is explained to its owner, and what a killed replica held comes back (decision record 0013). The
function `ledger.settle_at` in PostgreSQL reads the same form.
"""

from uuid import UUID

import msgspec
from msgspec import Struct


class ReservedOf(Struct, frozen=True, array_like=True):
    """Of one limit: whom it counts, the slot of time, its amount then, what was reserved, and used (None: unknown)."""

    limit: UUID
    member: UUID
    slot: int
    amount: int
    reserved: int
    used: int | None


class RefusedBy(Struct, frozen=True, array_like=True):
    """The limit that refused a request: its amount then, what was needed of it and what was used (None: nothing)."""

    limit: UUID
    amount: int
    needed: int
    used: int | None


class Reserved(Struct, frozen=True):
    """Of all limits of a request, by the replica that served it; without one, where it was refused at once."""

    replica: UUID | None = None
    limits: tuple[ReservedOf, ...] = ()
    refused: RefusedBy | None = None


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Reserved).decode


def with_refusal(kept: str | None, refused: RefusedBy) -> str:
    """Return what a row keeps, with the limit that refused the request or ended its answer."""
    note = f'"refused":{encode(refused).decode()}}}'
    return f"{{{note}" if kept is None else f"{kept[:-1]},{note}"
