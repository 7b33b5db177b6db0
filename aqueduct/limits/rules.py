"""What a limit says, and which limits a caller stands under; knows no counter and no database."""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from aqueduct.limits.windows import Slots, Window

Metric = Literal["requests", "input_tokens", "output_tokens", "total_tokens", "cost", "concurrency"]
Mode = Literal["enforce", "shadow"]
Scope = Literal["org", "team", "user", "service_account", "token"]
METRICS: Final[tuple[Metric, ...]] = (
    "requests",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cost",
    "concurrency",
)
TOKEN_METRICS: Final = frozenset({"input_tokens", "output_tokens", "total_tokens"})
MAX_AMOUNT: Final = 10**15
MODELS_REMEMBERED: Final = 1024


class Limit(Struct, frozen=True, kw_only=True, gc=False):
    """One rule. `amount` is in requests, tokens, slots, or micro-units of money; `name` is the subject's, for people.

    `model` None means all models, else a model's name or a beginning that ends in `*`. With `per_member` every user,
    service account and ownerless token below the subject has the amount for itself.
    """

    id: UUID
    scope: Scope
    name: str
    metric: Metric
    amount: int
    window: Window | None
    slots: Slots
    mode: Mode = "enforce"
    model: str | None = None
    per_member: bool = False

    @property
    def is_budget(self) -> bool:
        """Whether it is spent rather than slowed by: waiting for its window is no remedy that a program can apply."""
        return self.metric == "cost" or (self.metric != "concurrency" and not self.slots.slot_ms)

    def covers(self, model: str) -> bool:
        """Whether requests for a model count."""
        if self.model is None or self.model == model:
            return True
        return self.model.endswith("*") and model.startswith(self.model[:-1])


class Applied(NamedTuple):
    """A limit and whom it counts: the subject, or with `per_member` the caller."""

    limit: Limit
    member: UUID


class Covering:
    """The limits that requests of a caller for one model count against. Compared by identity, so that it is a key."""

    __slots__ = ("applied", "version")

    def __init__(self, applied: tuple[Applied, ...], version: int = 0) -> None:
        self.applied = applied
        self.version = version


class LimitSet:
    """The limits of a caller, by model; the same value is shared by all tokens that stand under the same ones.

    `version` grows with each catalog that is built: of two descriptions of a limit, the one of the later catalog holds.
    """

    __slots__ = ("_by_model", "applied", "version")

    def __init__(self, applied: Iterable[Applied] = (), version: int = 0) -> None:
        self.applied = tuple(applied)
        self.version = version
        self._by_model: dict[str, Covering] = {}

    def of(self, model: str) -> Covering:
        """Return the limits that a request for a model counts against."""
        found = self._by_model.get(model)
        if found is None:
            found = Covering(tuple(one for one in self.applied if one.limit.covers(model)), self.version)
            if len(self._by_model) < MODELS_REMEMBERED:
                self._by_model[model] = found
        return found


NO_LIMITS: Final = LimitSet()
