"""Price lists into the table `prices`; knows no file."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from adapters.registry import price_list_names
from aqueduct.db.connections import DedicatedConnection
from aqueduct.usage.price_files import ListedPrice
from aqueduct.usage.reports import decimal_text

_MODELS: Final = "SELECT id, name, EXISTS (SELECT FROM prices WHERE model_id = m.id) AS priced FROM models m"
_DEPLOYMENTS: Final = """
SELECT d.id, d.model_id, m.name AS model, d.upstream_model, p.name AS provider, p.adapter
  FROM deployments d JOIN models m ON m.id = d.model_id JOIN providers p ON p.id = d.provider_id
 ORDER BY m.name, d.priority, p.name, d.upstream_model
"""
_PRESENT: Final = "SELECT model_id, deployment_id, meter, tier, above_tokens, valid_from, amount, per FROM prices"
_UPSERT: Final = """
INSERT INTO prices (model_id, deployment_id, meter, tier, above_tokens, valid_from, amount, per)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (model_id, deployment_id, meter, tier, above_tokens, valid_from)
DO UPDATE SET amount = excluded.amount, per = excluded.per
"""


class PriceChange(Struct, frozen=True, kw_only=True):
    """One price that is written. `listed` is the list's name for it, `before` what stood there: `3 per 1000`."""

    subject: str
    listed: str
    meter: str
    tier: str
    above_tokens: int
    valid_from: datetime
    before: str | None
    amount: str
    per: int


class Imported(Struct, frozen=True, kw_only=True):
    """What an import did: rows written, rows that were so already, names that nothing here has, and what to know."""

    written: int
    unchanged: int
    unknown_models: tuple[str, ...]
    changes: tuple[PriceChange, ...] = ()
    notes: tuple[str, ...] = ()


class _Target(Struct, frozen=True):
    """A model or a deployment, by all names that a list may have for it: the one that says most comes first."""

    model_id: UUID | None
    deployment_id: UUID | None
    subject: str
    names: tuple[str, ...]

    @property
    def ids(self) -> tuple[UUID | None, UUID | None]:
        return self.model_id, self.deployment_id


_Place = tuple[UUID | None, UUID | None, str, str, int, datetime]


async def import_prices(connection: DedicatedConnection, prices: Sequence[ListedPrice], *, dry_run: bool) -> Imported:
    """Write the prices of models and deployments that exist, all or none.

    A name is that of a model, or of an upstream model with or without its provider's name before a `/`. What a model is
    called here comes first; of a deployment's names, the one with the provider does, and no other is read beside it.
    """
    by_name: dict[str, list[ListedPrice]] = {}
    for price in prices:
        by_name.setdefault(price.model, []).append(price)
    async with connection.transaction():
        models = await connection.fetch(_MODELS)
        deployments = await connection.fetch(_DEPLOYMENTS)
        present: dict[_Place, tuple[Decimal, int]] = {
            tuple(row)[:6]: (row["amount"], row["per"]) for row in await connection.fetch(_PRESENT)
        }
        changes: list[PriceChange] = []
        rows: list[tuple[object, ...]] = []
        unchanged = 0
        targets = _targets(models, deployments)
        for target in targets:
            listed = next((name for name in target.names if name in by_name), None)
            for price in () if listed is None else by_name[listed]:
                place = (*target.ids, price.meter, price.tier, price.above_tokens, price.valid_from)
                before = present.get(place)
                if before is not None and before[0] * price.per == price.amount * before[1]:
                    unchanged += 1
                    continue
                rows.append((*place, price.amount, price.per))
                changes.append(_change(target, price, before))
        if not dry_run:
            await connection.executemany(_UPSERT, rows)
    known = {name for target in targets for name in target.names}
    return Imported(
        written=len(changes),
        unchanged=unchanged,
        unknown_models=tuple(sorted(by_name.keys() - known)),
        changes=tuple(changes),
        notes=tuple(_notes(models, deployments, rows, present)),
    )


def _targets(models: "Iterable[asyncpg.Record]", deployments: "Iterable[asyncpg.Record]") -> list[_Target]:
    found = [_Target(row["id"], None, row["name"], (row["name"],)) for row in models]
    own = {target.subject for target in found}
    for row in deployments:
        upstream = row["upstream_model"]
        vendors = (row["provider"], row["adapter"], *price_list_names(row["adapter"]))
        names = dict.fromkeys((*(f"{vendor}/{upstream}" for vendor in vendors), upstream))
        subject = f"{row['model']} at {row['provider']}:{upstream}"
        found.append(_Target(None, row["id"], subject, tuple(name for name in names if name not in own)))
    return sorted(found, key=lambda target: target.subject)


def _change(target: _Target, price: ListedPrice, before: tuple[Decimal, int] | None) -> PriceChange:
    return PriceChange(
        subject=target.subject,
        listed=price.model,
        meter=price.meter,
        tier=price.tier,
        above_tokens=price.above_tokens,
        valid_from=price.valid_from,
        before=None if before is None else f"{decimal_text(before[0])} per {before[1]}",
        amount=decimal_text(price.amount),
        per=price.per,
    )


def _notes(
    models: "Sequence[asyncpg.Record]",
    deployments: "Sequence[asyncpg.Record]",
    rows: Iterable[tuple[object, ...]],
    present: Mapping[_Place, object],
) -> Iterable[str]:
    """Say where prices of a model no longer hold, and which models cannot have those of a list."""
    had = {place[1] for place in present}
    written = {row[1] for row in rows} - had
    priced = {row["id"]: row["name"] for row in models if row["priced"]}
    for row in deployments:
        if row["id"] in written and row["model_id"] in priced:
            place = f"{row['provider']}:{row['upstream_model']}"
            yield f"{row['model']} at {place} gets prices of its own: those of the model '{row['model']}' end for it"
    wild = [row["name"] for row in models if row["name"].endswith("*") and not row["priced"]]
    if wild:
        names = ", ".join(f"'{name}'" for name in wild)
        yield f"all models under {names} share one price, and it has none: list those that are to be priced as models"
