"""A limit whose window is edited in place is not charged for ever with what was counted in slots of another length."""

import importlib
from collections.abc import Sequence

from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# As in 0011, but: slots are numbered by their length, so those of a shorter window seem to lie far ahead, and would
# count until time gets there. A window's length differs from another's by four times at least.
CHANGES = (
    ("    oldest bigint;\n", "    oldest bigint;\n    newest bigint;\n"),
    (
        "            oldest := slot_now - slices;\n",
        "            oldest := slot_now - slices;\n            newest := 2 * slot_now;\n",
    ),
    (
        "            oldest := slot_now;\n",
        "            oldest := slot_now;\n            newest := 9223372036854775807;\n",
    ),
    ("           AND s.slot < oldest;\n", "           AND (s.slot < oldest OR s.slot > newest);\n"),
    ("WHERE (d ->> 0)::bigint >= oldest\n", "WHERE (d ->> 0)::bigint BETWEEN oldest AND newest\n"),
)


def upgrade() -> None:
    """Replace the function."""
    text = _former()
    for before, after in CHANGES:
        if text.count(before) != 1:
            raise ValueError(before)
        text = text.replace(before, after)
    op.execute(text)


def downgrade() -> None:
    """Bring the former function back."""
    op.execute(_former())


def _former() -> str:
    former: str = importlib.import_module("migrations.versions.0011_reservations")._sync_at()  # noqa: SLF001 - as it stands
    return former
