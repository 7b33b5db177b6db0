"""Price lists into the table `prices`, and the price lists of all deployments out of it; knows no file."""

from collections.abc import Sequence
from typing import Final

import asyncpg
from msgspec import Struct

from aqueduct.db.connections import DedicatedConnection
from aqueduct.usage.price_files import ListedPrice

_TARGETS: Final = """
SELECT m.name AS listed, m.id AS model_id, NULL::uuid AS deployment_id FROM models m
UNION SELECT d.upstream_model, NULL, d.id FROM deployments d
UNION SELECT p.adapter || '/' || d.upstream_model, NULL, d.id FROM deployments d JOIN providers p ON p.id = provider_id
UNION SELECT p.name || '/' || d.upstream_model, NULL, d.id FROM deployments d JOIN providers p ON p.id = provider_id
"""
_UPSERT: Final = """
INSERT INTO prices AS p (model_id, deployment_id, meter, tier, above_tokens, valid_from, amount, per)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (model_id, deployment_id, meter, tier, above_tokens, valid_from)
DO UPDATE SET amount = excluded.amount, per = excluded.per
 WHERE (p.amount, p.per) IS DISTINCT FROM (excluded.amount, excluded.per)
"""


class Imported(Struct, frozen=True, kw_only=True):
    """What an import did: rows written, rows that were so already, and names that nothing here has."""

    written: int
    unchanged: int
    unknown_models: tuple[str, ...]


async def import_prices(connection: DedicatedConnection, prices: Sequence[ListedPrice], *, dry_run: bool) -> Imported:
    """Write the prices of models and deployments that exist, all or none.

    A name is that of a model, or of an upstream model with or without its provider's name before a `/`; a model's
    own name comes first.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        targets = _targets(await connection.fetch(_TARGETS))
        written = unchanged = 0
        for price in prices:
            for model_id, deployment_id in targets.get(price.model, ()):
                status = await connection.execute(
                    _UPSERT,
                    model_id,
                    deployment_id,
                    price.meter,
                    price.tier,
                    price.above_tokens,
                    price.valid_from,
                    price.amount,
                    price.per,
                )
                done = int(status.rsplit(" ", 1)[1])
                written, unchanged = written + done, unchanged + 1 - done
    except BaseException:  # raised again once the transaction is undone
        await transaction.rollback()
        raise
    await (transaction.rollback() if dry_run else transaction.commit())
    unknown = sorted({price.model for price in prices} - targets.keys())
    return Imported(written=written, unchanged=unchanged, unknown_models=tuple(unknown))


def _targets(records: "list[asyncpg.Record]") -> dict[str, list[tuple[object, object]]]:
    found: dict[str, list[tuple[object, object]]] = {}
    models = {record["listed"] for record in records if record["model_id"] is not None}
    for record in records:
        if record["model_id"] is not None or record["listed"] not in models:
            found.setdefault(record["listed"], []).append((record["model_id"], record["deployment_id"]))
    return found
