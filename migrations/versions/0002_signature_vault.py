"""The signature vault, and its switch on models."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the vault."""
    op.execute("CREATE SCHEMA vault")
    op.create_table(
        "states",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", pg.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="vault",
    )
    op.create_index("ix_states_expires_at", "states", ["expires_at"], schema="vault")
    op.add_column("models", sa.Column("signature_vault", sa.Boolean()))


def downgrade() -> None:
    """Remove it with what it keeps."""
    op.drop_column("models", "signature_vault")
    op.drop_table("states", schema="vault")
    op.execute("DROP SCHEMA vault")
