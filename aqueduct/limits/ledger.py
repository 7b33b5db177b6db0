"""Reserves over all scopes at once or none, and settles; asks no database and waits for nothing.

`prepare` says what the database must be told and `take_up` takes its answer; `aqueduct.limits.leases` carries the two.
A batch that was prepared and not answered is prepared again unchanged, because it may have been carried out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from aqueduct.limits.account import Account
from aqueduct.limits.batch import MAX_ITEMS, Answer, Batch, Item, Line
from aqueduct.limits.held import Held, Take, used_of
from aqueduct.limits.rules import Applied

FENCE_SHARE: Final = 0.8
"""A lease is used for this share of its time: the rest is for a request's way to the provider."""
REFUSED_MS: Final = 100
"""How long a refusal is repeated without asking: credits may come back any moment."""
CALL_MS: Final = 150
"""How long credits are waited for that other replicas may hold and not use: they are called, and give them back."""
CALL_AGAIN_MS: Final = 500
"""Others are called so often at most for a counter, unless that has brought something."""
PEEK_AGAIN_MS: Final = 50
"""Others are called so often at most for where a counter stands."""
DEMAND_REPORTS: Final = 2
"""Credits held ahead, in reports' worth of demand."""
FIRST_SPARE: Final = 4
IDLE_MS: Final = 120_000
MAX_LOOKED: Final = 2_000
"""Counters that one batch looks at, 3 us each: meanwhile no request is served. The next batch looks at others."""


class Ledger:
    """All counters of one replica. `monotonic_ms` is the local clock; times given out are the database's."""

    def __init__(self, monotonic_ms: Callable[[], int], *, ttl_ms: int, report_ms: int) -> None:
        self._monotonic_ms = monotonic_ms
        self._ttl_ms = ttl_ms
        self._report_ms = report_ms
        self._offset_ms = 0
        self._valid_until = -1
        self._accounts: dict[tuple[UUID, UUID], Account] = {}
        self._dropped: WeakValueDictionary[tuple[UUID, UUID], Account] = WeakValueDictionary()
        """Idle ones that the database was told to forget, as long as anybody holds them: they may be used again."""
        self._active: dict[Account, None] = {}
        self._unanswered: Batch | None = None
        self._number = 0
        self._asked: dict[Account, tuple[int, int]] = {}
        self._peeked: set[Account] = set()
        self._calls: dict[Account, None] = {}
        self._is_closed = False
        self._unseen = 0
        self.has_more = False
        """Whether the last batch had no room for all that there may be to tell."""
        self.overrun = 0
        """What settled above its reservation since the start, in credits of all metrics."""

    @property
    def now_ms(self) -> int:
        """The database's time. Never behind it: a slot that is too late frees its credits late, not early."""
        return self._monotonic_ms() + self._offset_ms

    @property
    def is_valid(self) -> bool:
        """Whether held credits may be spent; not once the lease may have lapsed."""
        return self._monotonic_ms() < self._valid_until and not self._is_closed

    @property
    def slack(self) -> int:
        """Credits held and not spent, of all counters."""
        return sum(account.slack for account in self._active if account.slack > 0)

    @property
    def size(self) -> int:
        """Counters that are known here."""
        return len(self._accounts)

    def account(self, applied: Applied, version: int = 0) -> Account:
        """Return a limit's counter. A limit of a later version replaces the one before, and keeps its counter.

        Not where it counts something else now.
        """
        limit = applied.limit
        key = (limit.id, applied.member)
        account = self._accounts.get(key)
        if account is None:
            account = self._dropped[key] if key in self._dropped else Account(applied, version)
            self._accounts[key] = account
        if account.limit is limit or version < account.version:
            return account
        if account.metric != limit.metric:
            account = self._accounts[key] = Account(applied, version)
        account.limit, account.version = limit, version
        account.is_enforced = limit.mode == "enforce"
        return account

    def reserve(self, takes: Sequence[Take]) -> tuple[Held, ...] | None:
        """Take all or nothing from what is held; None where a counter has too little."""
        local = self._monotonic_ms()
        valid = local < self._valid_until and not self._is_closed
        for take in takes:
            account = take.account
            if take.amount > (account.slack if valid else 0) and account.is_enforced:
                return None
        return self._taken(takes, local + self._offset_ms)

    def lacking(self, takes: Sequence[Take]) -> list[Take]:
        """Return what cannot be served from what is held."""
        valid = self.is_valid
        return [
            take for take in takes if take.account.is_enforced and take.amount > (take.account.slack if valid else 0)
        ]

    def reduced(self, takes: Sequence[Take]) -> list[Take]:
        """Return the takes as far as what is held goes, none below its least."""
        valid = self.is_valid
        return [
            take
            if take.least is None or not take.account.is_enforced
            else Take(take.account, max(take.least, min(take.amount, take.account.slack if valid else 0)), take.least)
            for take in takes
        ]

    def take(self, takes: Sequence[Take]) -> tuple[Held, ...]:
        """Take unconditionally."""
        return self._taken(takes, self.now_ms)

    def _taken(self, takes: Sequence[Take], now: int) -> tuple[Held, ...]:
        held: list[Held] = []
        active = self._active
        for take in takes:
            account, amount = take.account, take.amount
            slots = account.limit.slots
            slot = now // slots.slot_ms if slots.slot_ms else slots.slot(now)
            account.take(amount, slot)
            account.last_used = now
            active[account] = None
            held.append(Held(account, amount, slot, account.epoch))
        return tuple(held)

    def settle(self, held: Iterable[Held], actual: Mapping[str, int], further: Sequence[Held] = ()) -> bool:
        """Give back what was not used of each metric, or take what was used beyond; True where others may wait for it.

        Metrics that `actual` does not name keep what they hold; slots all come back. `further` is what was reserved
        of the same counters later on: it is used after what is `held`.
        """
        wanted = False
        every = (*held, *further) if further else held
        for one, used in zip(every, used_of(held, actual, further), strict=True):
            unused = one.amount - used
            if not unused:
                continue
            if unused < 0:
                self.overrun -= unused
            account = one.account
            account.give_back(unused, one.slot, one.epoch)
            self._active[account] = None
            wanted = wanted or account.tight
        return wanted

    def refusal(self, takes: Sequence[Take]) -> Account | None:
        """Return the counter that is known to have too little, so that nobody needs to be asked.

        Of several, that of which credits are the last to come back: before, no request gets through.
        """
        now = self.now_ms
        found: Account | None = None
        longest = -1
        for take in takes:
            account = take.account
            is_known = _lasts(account.refused_until, now, REFUSED_MS)
            if is_known and take.needed - max(account.slack, 0) >= account.refused_below > 0:
                wait = account.wait_ms(now)
                if wait is None:
                    return account
                if wait > longest:
                    found, longest = account, wait
        return found

    def expects(self, takes: Sequence[Take]) -> bool:
        """Whether all that is lacking may come from other replicas: they are called, or have been a moment ago."""
        now = self.now_ms
        lacking = [take for take in self.lacking(takes) if take.needed > max(take.account.slack, 0)]
        for account, needed in ((take.account, take.needed) for take in lacking):
            is_possible = _lasts(account.call_until, now, CALL_MS) or _may_call(account, now)
            if not (is_possible and account.others_may_hold(needed)):
                return False
        for account in (take.account for take in lacking):
            if _may_call(account, now):
                account.call_until, account.call_again = now + CALL_MS, now + CALL_AGAIN_MS
                self._calls[account] = None
        return bool(lacking)

    def call_reports(self, accounts: Iterable[Account]) -> None:
        """Ask other replicas with the next batch for reports of counters, unless they were asked a moment ago."""
        now = self.now_ms
        for account in accounts:
            if not _lasts(account.peek_again, now, PEEK_AGAIN_MS):
                account.peek_again = now + PEEK_AGAIN_MS
                self._calls[account] = None

    def calls(self) -> tuple[tuple[UUID, UUID], ...]:
        """Return the counters that others are to be called for, once."""
        found = tuple(account.key for account in self._calls)
        self._calls.clear()
        return found

    def called(self, limit: UUID, member: UUID) -> bool:
        """Give back what is idle of a counter with the next batch; False where there is nothing to tell of it."""
        account = self._accounts.get((limit, member))
        if account is None or account not in self._active:
            return False
        account.is_called = True
        return True

    def ask(self, takes: Iterable[Take]) -> None:
        """Want credits in the next batch; several requests may want of one counter."""
        for take in takes:
            total, least = self._asked.get(take.account, (0, take.needed))
            self._asked[take.account] = (total + take.amount, min(least, take.needed))
            self._active[take.account] = None

    def peek(self, accounts: Iterable[Account]) -> None:
        """Want to know in the next batch where counters stand."""
        now = self.now_ms
        for account in accounts:
            self._peeked.add(account)
            self._active[account] = None
            account.last_used = now  # it is not idle

    def prepare(self) -> Batch:
        """Return what the database is to be told: the unanswered batch again, or a new one."""
        if self._unanswered is not None:
            return Batch(self._unanswered.number, self._monotonic_ms(), self._unanswered.items)
        self._number += 1
        now = self.now_ms
        if self._valid_until < 0:  # the first batch asks for nothing but the time
            self._unanswered = Batch(self._number, self._monotonic_ms(), ())
            return self._unanswered
        first = {**self._asked, **dict.fromkeys(self._peeked)}
        items: list[Item] = []
        unseen = self._unseen or len(self._active)
        for account in list(islice(chain(first, (one for one in self._active if one not in first)), MAX_LOOKED)):
            if len(items) == MAX_ITEMS:
                break
            unseen -= 1
            if not self._is_own(account):
                continue
            self._active[account] = self._active.pop(account, None)  # the others have their turn before it
            if (item := self._item(account, now)) is not None:
                items.append(item)
        self._unseen = max(0, unseen)
        self.has_more = len(items) == MAX_ITEMS or self._unseen > 0
        self._unanswered = Batch(self._number, self._monotonic_ms(), tuple(items))
        return self._unanswered

    def _is_own(self, account: Account) -> bool:
        """Whether an account is its limit's, not one from before the limit changed; a dropped one is again."""
        if self._accounts.setdefault(account.key, account) is account:
            return True
        self._active.pop(account, None)
        self._asked.pop(account, None)
        self._peeked.discard(account)
        return False

    def _item(self, account: Account, now: int) -> Item | None:
        elapsed = max(1, now - account.synced_at)
        share = min(1.0, elapsed / self._report_ms)
        account.rate += share * (account.demand * self._report_ms / elapsed - account.rate)
        account.demand = 0
        account.synced_at = now
        is_wanted = account.is_enforced and not self._is_closed and not account.is_called
        target = int(account.rate * DEMAND_REPORTS) if is_wanted else 0
        account.is_called = False
        slack = max(account.slack, 0)
        total, least = self._asked.pop(account, (0, 0))
        need = max(0, total - slack) if account.is_enforced else 0
        spare = max(0, target - slack)
        if not account.known and need:
            spare = max(spare, FIRST_SPARE * least)
        give = 0 if total else slack - target if slack > 2 * target else account.surplus
        deltas = tuple(sorted((slot, amount) for slot, amount in account.pending.items() if amount))
        is_peeked = account in self._peeked
        is_idle = not (deltas or total or slack or account.in_use or is_peeked) and now - account.last_used > IDLE_MS
        if not (deltas or need or give or is_idle or (spare and account.is_enforced) or is_peeked):
            return None
        self._peeked.discard(account)
        item = Item(
            limit=account.limit.id,
            member=account.member,
            known=account.known,
            metric=account.metric,
            slot_ms=account.limit.slots.slot_ms,
            starts=account.limit.slots.starts(now),
            deltas=deltas,
            give=give,
            need=need,
            least=max(1, least - slack) if need else 0,
            spare=spare,
            in_use=account.in_use if account.is_concurrency else -1,
            drop=is_idle,
        )
        account.sent = sum(account.pending.values())
        account.pending = {}
        account.slack -= give
        return item

    def take_up(self, batch: Batch, answer: Answer) -> None:
        """Take up an answer. What was spent since the batch was prepared stays pending."""
        self._unanswered = None
        self._offset_ms = answer.at_ms - batch.sent_at
        self._valid_until = batch.sent_at + int(self._ttl_ms * FENCE_SHARE)
        lines = {(line.limit, line.member): line for line in answer.lines}
        for item in batch.items:
            key = (item.limit, item.member)
            account = self._accounts.get(key)
            if account is None or account.metric != item.metric:
                continue
            line = lines.get(key)
            if line is None:
                account.is_enforced = False  # the limit was removed; the catalog says so in a moment
                account.lose()
            elif line.lost:
                account.lose()
            elif item.drop and not (
                account.pending or account.in_use or account in self._asked or account in self._peeked
            ):
                account.known = False
                account.answered(0)
                self._dropped[key] = account
                del self._accounts[key]
                self._active.pop(account, None)
            else:
                account.known = not item.drop
                self._note(account, item, line)

    def _note(self, account: Account, item: Item, line: Line) -> None:
        account.answered(line.held)
        account.used, account.others = line.used, line.others
        account.tight = line.tight
        account.resets_at = line.resets_at
        if line.short:
            account.free_at = line.free_at
            account.refused_below = item.least
            account.refused_until = self.now_ms + REFUSED_MS
            if line.free_at:
                account.refused_until = min(account.refused_until, line.free_at)
        elif item.need:
            account.refused_until = account.refused_below = account.call_until = account.call_again = 0

    def close(self) -> None:
        """Spend no more: from now on batches report and give everything back."""
        self._asked.clear()
        self._is_closed = True


def _lasts(until: int, now: int, longest: int) -> bool:
    """Return whether a time that was set at most `longest` ahead is still to come; not where clocks went back since."""
    return 0 < until - now <= longest


def _may_call(account: Account, now: int) -> bool:
    return not _lasts(account.call_again, now, CALL_AGAIN_MS)
