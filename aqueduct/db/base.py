"""The metadata that all tables share: naming of constraints and the columns that every table has."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlalchemy import MetaData, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Timestamp = Annotated[datetime, mapped_column(TIMESTAMP(timezone=True))]


class Base(DeclarativeBase):
    """Every catalog table: a single-column UUID key, so that Directus can show it, and its time of creation."""

    metadata = metadata

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"), sort_order=-1)
    created_at: Mapped[Timestamp] = mapped_column(server_default=func.now(), sort_order=99)
