"""Answers are held against the client's JSON schema unless a model says `off`; null, which meant that, means `report`.

The column may still be null: the previous release writes it so.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Let models say `off`, and write the default where none was chosen."""
    _allow("'off', 'report', 'repair'")
    op.alter_column("models", "schema_check", existing_type=sa.Text(), server_default="report")
    op.execute("UPDATE models SET schema_check = 'report' WHERE schema_check IS NULL")


def downgrade() -> None:
    """Say `off` by null again."""
    op.alter_column("models", "schema_check", existing_type=sa.Text(), server_default=None)
    op.execute("UPDATE models SET schema_check = NULL WHERE schema_check = 'off'")
    _allow("'report', 'repair'")


def _allow(values: str) -> None:
    op.drop_constraint(op.f("ck_models_schema_check"), "models")
    op.create_check_constraint(op.f("ck_models_schema_check"), "models", f"schema_check IN ({values})")
