"""The signature vault's rows, in a schema of their own that Directus does not see; knows no ORM.

Nothing in a row can be read without the gateway's secret key: `id` is a hash of owner and tool-call id, `sealed` the
encrypted state. Rows are removed when they have expired.
"""

from sqlalchemy import Column, Index, LargeBinary, Table
from sqlalchemy.dialects.postgresql import TIMESTAMP

from aqueduct.db.base import metadata
from aqueduct.db.names import VAULT_SCHEMA

states = Table(
    "states",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    Index("ix_states_expires_at", "expires_at"),
    schema=VAULT_SCHEMA,
)
"""One message's opaque state."""
