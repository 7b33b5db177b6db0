"""Tell gateways by its id of each token that is revoked, and of each owner that is disabled or deleted."""

from collections.abc import Sequence

from alembic import op

revision: str = "0027"
down_revision: str | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

FUNCTION = """
CREATE FUNCTION note_revocation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('aqueduct_revoked', OLD.id || ' ' || TG_ARGV[0]);
    RETURN NULL;
END
$$
"""
OWNERS = ("orgs", "teams", "users", "service_accounts")
REVOKED = """
CREATE TRIGGER note_revocation
AFTER UPDATE OF sha256, revoked_at, replaced_by_id, grace_until ON tokens FOR EACH ROW
WHEN (
    NEW.sha256 <> OLD.sha256
    OR (NEW.revoked_at IS NOT NULL AND OLD.revoked_at IS NULL)
    OR (NEW.replaced_by_id IS NOT NULL AND NEW.grace_until IS NULL
        AND (OLD.replaced_by_id IS NULL OR OLD.grace_until IS NOT NULL))
)
EXECUTE FUNCTION note_revocation('revoked')
"""
EXPIRED = """
CREATE TRIGGER note_expiry
AFTER UPDATE OF expires_at, grace_until ON tokens FOR EACH ROW
WHEN (
    LEAST(NEW.expires_at, NEW.grace_until) <= now()
    AND LEAST(OLD.expires_at, OLD.grace_until, 'infinity') > now()
)
EXECUTE FUNCTION note_revocation('expired')
"""


def upgrade() -> None:
    """Create the triggers. What else changes is told by the catalog's version, and waits until that is loaded."""
    op.execute(FUNCTION)
    op.execute(REVOKED)
    op.execute(EXPIRED)
    for table in OWNERS:
        op.execute(
            f"CREATE TRIGGER note_revocation AFTER UPDATE OF enabled ON {table} FOR EACH ROW"
            " WHEN (OLD.enabled AND NOT NEW.enabled) EXECUTE FUNCTION note_revocation('disabled')"
        )
    for table in (*OWNERS, "tokens"):
        op.execute(
            f"CREATE TRIGGER note_deletion AFTER DELETE ON {table} FOR EACH ROW"
            " EXECUTE FUNCTION note_revocation('unknown')"
        )


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP FUNCTION note_revocation CASCADE")
