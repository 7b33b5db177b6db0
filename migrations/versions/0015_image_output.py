"""Tokens of images in answers: a counter of their own in raw usage, and a meter that can be priced."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

METERS_BEFORE = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "image_input",
    "output",
    "reasoning",
    "audio_output",
    "image",
    "second",
    "character",
    "query",
    "request",
)
METERS = (*METERS_BEFORE[:9], "image_output", *METERS_BEFORE[9:])


def upgrade() -> None:
    """Add the columns, and let prices name the meter."""
    for table in ("requests", "attempts"):
        op.add_column(table, sa.Column("completion_image_tokens", sa.Integer()), schema="usage")
    _allow(METERS)


def downgrade() -> None:
    """Remove both; prices of the meter go too."""
    op.execute("DELETE FROM prices WHERE meter = 'image_output'")
    _allow(METERS_BEFORE)
    for table in ("requests", "attempts"):
        op.drop_column(table, "completion_image_tokens", schema="usage")


def _allow(meters: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_prices_meter"), "prices")
    listed = ", ".join(f"'{meter}'" for meter in meters)
    op.create_check_constraint(op.f("ck_prices_meter"), "prices", f"meter IN ({listed})")
