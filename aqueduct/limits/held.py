"""What a request wants of counters, what it holds of them, and what of that it has used; knows no ledger."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from aqueduct.limits.account import Account


class Take(Struct, frozen=True):
    """What a request wants of one counter, and what it would do with; `least` None: nothing less."""

    account: Account
    amount: int
    least: int | None = None

    @property
    def needed(self) -> int:
        """What must be there."""
        return self.amount if self.least is None else self.least


class Held(Struct, frozen=True):
    """What a reservation holds of one counter."""

    account: Account
    amount: int
    slot: int
    epoch: int


def used_of(held: Iterable[Held], actual: Mapping[str, int], further: Sequence[Held]) -> list[int]:
    """Return what was used of each reservation: of a counter's later ones what its first does not cover."""
    if not further:
        return [0 if one.account.is_concurrency else actual.get(one.account.metric, one.amount) for one in held]
    first = {one.account: one.amount for one in held}
    used = {
        account: 0 if account.is_concurrency else actual.get(account.metric, amount)
        for account, amount in first.items()
    }
    later: list[int] = []
    for one in further:
        account = one.account
        part = min(max(0, used[account] - first[account]), one.amount)
        used[account] -= part
        later.append(part)
    return [*used.values(), *later]
