"""The counters of one caller and model in this replica, with what each request would work out of them again."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from math import inf
from typing import Final
from uuid import UUID

from aqueduct.limits.account import Account
from aqueduct.limits.held import Held, used_of
from aqueduct.limits.ledger import Ledger
from aqueduct.limits.price import PICO_PER_MICRO
from aqueduct.limits.rules import TOKEN_METRICS, Covering
from aqueduct.limits.windows import WINDOW_MS

MAX_KNOWN: Final = 20_000
"""So many callers' counters are remembered; beyond it the first ones are found again."""
FORGOTTEN_AT_ONCE: Final = 2
"""With each that is new, so that nobody waits until thousands are."""


class Counters:
    """`requests`, `tokens` and `budgets` are those that an answer's headers tell of, the longest windows last.

    `smallest` gives the lowest amount of the enforced limits of a metric.
    """

    __slots__ = ("_kept", "_paid_ahead", "accounts", "budgets", "is_measured", "requests", "smallest", "tokens")

    def __init__(self, accounts: Sequence[Account], replica: UUID) -> None:
        self.accounts = tuple(accounts)
        by_window = sorted(accounts, key=_window_ms)
        self.requests = tuple(one for one in by_window if one.metric == "requests")
        self.tokens = tuple(one for one in by_window if one.metric in TOKEN_METRICS)
        self.budgets = tuple(one for one in by_window if one.metric == "cost")
        self._paid_ahead = 0
        self.is_measured = bool(self.tokens or self.budgets)
        """Whether requests must be measured."""
        self.smallest: dict[str, int] = {}
        for one in accounts:
            if one.limit.mode == "enforce":
                self.smallest[one.metric] = min(one.limit.amount, self.smallest.get(one.metric, one.limit.amount))
        of_each = [f'["{one.limit.id}","{one.member}",%d,{one.limit.amount},%d,%%s]' for one in accounts]
        self._kept = f'{{"replica":"{replica}","limits":[{",".join(of_each)}%%s]}}'

    def charged(self, pico: int) -> int:
        """Return what a cost takes of budgets, in whole micro-units: what one request rounds up, the next ones save."""
        due = pico - self._paid_ahead
        whole = -(-due // PICO_PER_MICRO) if due > 0 else 0
        self._paid_ahead = whole * PICO_PER_MICRO - due
        return whole

    def kept(self, held: Sequence[Held]) -> str:
        """Return the form in which a usage row keeps a reservation (`aqueduct.limits.reserved`), without what was used.

        Its places are filled in by `while_open` or `once_settled`.
        """
        cells: list[int] = []
        for one in held:
            cells += (one.slot, one.amount)
        return self._kept % tuple(cells)


def _window_ms(account: Account) -> float:
    return WINDOW_MS.get(account.limit.window or "total", inf)


def while_open(kept: str, held: Sequence[Held], further: Sequence[Held]) -> str:
    """Return what a usage row keeps of a reservation of which nobody knows yet what will be used."""
    later = _of_further(further, ("null",) * len(further)) if further else ""
    return kept % (*("null",) * len(held), later)


def once_settled(kept: str, held: Sequence[Held], actual: Mapping[str, int], further: Sequence[Held]) -> str:
    """Return what a usage row keeps of a reservation that is settled."""
    used = used_of(held, actual, further)
    if not further:
        return kept % (*used, "")
    return kept % (*used[: len(held)], _of_further(further, used[len(held) :]))


def _of_further(further: Sequence[Held], used: Sequence[int | str]) -> str:
    return "".join(
        f',["{one.account.limit.id}","{one.account.member}",{one.slot},{one.account.limit.amount},{one.amount},{spent}]'
        for one, spent in zip(further, used, strict=True)
    )


class KnownCounters:
    """Finds the counters of callers, and remembers them; those of former catalogs are forgotten one by one."""

    def __init__(self, ledger: Ledger, replica: UUID) -> None:
        self._ledger = ledger
        self._replica = replica
        self._found: OrderedDict[Covering, Counters] = OrderedDict()

    def of(self, covering: Covering) -> Counters:
        """Return the counters of a caller and model."""
        return self._found.get(covering) or self._made(covering)

    def _made(self, covering: Covering) -> Counters:
        version, found = covering.version, self._found
        made = Counters([self._ledger.account(one, version) for one in covering.applied], self._replica)
        found[covering] = made
        for _ in range(FORGOTTEN_AT_ONCE):
            if len(found) <= MAX_KNOWN and next(iter(found)).version >= version:
                break
            found.popitem(last=False)
        return made
