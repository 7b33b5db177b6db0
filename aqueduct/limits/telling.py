"""Limits in words and headers: refusals, `x-ratelimit-*`, and what `/v1/me` shows; decides nothing."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from aqueduct.errors import ErrorType, GatewayError, unavailable
from aqueduct.limits.account import UNKNOWN_WAIT_MS, Account
from aqueduct.limits.counters import Counters
from aqueduct.limits.price import MICROS_PER_UNIT
from aqueduct.limits.reserved import RefusedBy
from aqueduct.limits.rules import TOKEN_METRICS, Limit

_KINDS: Final = {"requests": "requests", "concurrency": "concurrency"}
_WORDS: Final = {
    "requests": "requests",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "total_tokens": "tokens",
    "concurrency": "requests at once",
}
_LESS: Final = {"input_tokens": "send less", "output_tokens": "allow less output"}
_REQUESTS: Final = (
    b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\n",
    b"x-ratelimit-reset-requests: %b\r\n",
)
_TOKENS: Final = (
    b"x-ratelimit-limit-tokens: %d\r\nx-ratelimit-remaining-tokens: %d\r\n",
    b"x-ratelimit-reset-tokens: %b\r\n",
)


class LimitReachedError(GatewayError):
    """A refusal by a limit; `refused` is what the request's usage row keeps of it."""

    refused: RefusedBy


class Standing(Struct, frozen=True, kw_only=True):
    """One limit and where its caller stands, as `/v1/me` shows it; `cost` in micro-units, times in Unix seconds."""

    scope: str
    subject: str
    metric: str
    window: str | None
    calendar: bool
    mode: str
    model: str | None
    per_member: bool
    limit: int
    used: int
    remaining: int
    resets_at: float | None


def standing(account: Account, now_ms: int) -> Standing:
    """Return a counter as its caller may see it."""
    limit = account.limit
    resets = _resets_ms(account, now_ms)
    return Standing(
        scope=limit.scope,
        subject=limit.name,
        metric=limit.metric,
        window=limit.window,
        calendar=limit.slots.calendar is not None,
        mode=limit.mode,
        model=limit.model,
        per_member=limit.per_member,
        limit=limit.amount,
        used=account.spent,
        remaining=account.remaining,
        resets_at=None if resets is None else resets / 1000,
    )


def refusal(account: Account, now_ms: int, currency: str, needed: int) -> LimitReachedError:
    """Return the 429 for a limit that is reached; `needed` is what was asked of it."""
    error = _reached(account, now_ms, currency, needed)
    error.refused = RefusedBy(account.limit.id, account.limit.amount, needed, account.spent)
    return error


def _reached(account: Account, now_ms: int, currency: str, needed: int) -> LimitReachedError:
    limit = account.limit
    wait_ms = account.wait_ms(now_ms)
    wait_s = None if wait_ms is None else wait_ms / 1000
    resets = "" if wait_s is None else f" Try again in {duration(wait_s)}."
    used = _amount(limit, account.spent, currency)
    if account.others > 0 and not account.is_concurrency:
        used += f". Reserved by other workers: {_amount(limit, account.others, currency)}"
    if needed > 1 and account.spent < limit.amount:  # or the figures do not say why
        used += f". This request may need: {_amount(limit, needed, currency)}"
    message = f"{_sentence(limit, currency)} Used: {used}.{resets}"
    if limit.is_budget:
        return LimitReachedError(
            429,
            "insufficient_quota",
            message,
            kind=ErrorType.POLICY_BUDGET,
            error_type="insufficient_quota",
            retry_after_s=wait_s,
            is_final=True,
        )
    return LimitReachedError(
        429,
        "rate_limit_exceeded",
        message,
        kind=ErrorType.POLICY_RATE_LIMIT,
        error_type=kind_of(limit),
        retry_after_s=wait_s,
    )


def never_fits(limit: Limit, amount: int, currency: str) -> LimitReachedError:
    """Return the 400 for a request that is larger than a limit."""
    error = LimitReachedError(
        400,
        "request_exceeds_limit",
        f"{_sentence(limit, currency)}{_advice(limit, _amount(limit, amount, currency))}",
        kind=ErrorType.POLICY_RATE_LIMIT,
    )
    error.refused = RefusedBy(limit.id, limit.amount, amount, None)
    return error


def limits_unavailable() -> GatewayError:
    """Return the 503 for a request whose limits nobody can check."""
    message = "The gateway cannot check your limits right now. Try again in a moment."
    return unavailable("limits_unavailable", message, UNKNOWN_WAIT_MS / 1000, ErrorType.GATEWAY_LIMITS_UNAVAILABLE)


def kind_of(limit: Limit) -> str:
    """Return what kind of limit it is: `requests`, `tokens`, `concurrency` or `cost`."""
    return "cost" if limit.metric == "cost" else _KINDS.get(limit.metric, "tokens")


def header_lines(counters: Counters, now_ms: int) -> bytes:
    """Return the header lines of an answer: the tightest limit on requests, on tokens, and the tightest budget."""
    found = b""
    for accounts, (amounts, reset) in ((counters.requests, _REQUESTS), (counters.tokens, _TOKENS)):
        tightest = _tightest(accounts)
        if tightest is not None:
            remaining, account = tightest
            found += amounts % (account.limit.amount, remaining)
            resets = _resets_ms(account, now_ms)
            if resets is not None:
                found += reset % _duration(max(0, resets - now_ms)).encode()
    budget = _tightest(counters.budgets)
    if budget is not None:
        found += b"x-aqueduct-budget-remaining: %b\r\n" % _money(budget[0]).encode()
    return found


def _tightest(accounts: Sequence[Account]) -> tuple[int, Account] | None:
    """Return what remains of the enforced counter of which the least does, and that counter; of equals the last."""
    found: Account | None = None
    least = 0
    for account in accounts:
        if account.is_enforced:
            remaining = account.remaining
            if found is None or remaining <= least:
                found, least = account, remaining
    return None if found is None else (least, found)


def duration(seconds: float) -> str:
    """Return a time as Go writes it, as OpenAI does: `250ms`, `1s`, `6m0s`, `24h0m0s`."""
    return _duration(round(seconds * 1000))


def _duration(ms: int) -> str:
    if ms < 1000:
        return f"{ms}ms"
    whole, rest = ms // 1000, ms % 1000
    text = f"{whole % 60}.{rest:03d}".rstrip("0") + "s" if rest else f"{whole % 60}s"
    if whole < 60:
        return text
    minutes = whole // 60
    return f"{minutes // 60}h{minutes % 60}m{text}" if minutes >= 60 else f"{minutes}m{text}"


def _resets_ms(account: Account, now_ms: int) -> int | None:
    if account.is_concurrency:
        return None
    slots = account.limit.slots
    if not slots.slot_ms:
        return slots.ends_ms(now_ms)
    for amount in account.pending.values():
        if amount > 0:
            return slots.ends_ms(now_ms)
    return max(account.resets_at, now_ms)


def _sentence(limit: Limit, currency: str) -> str:
    who = f"{limit.scope.replace('_', ' ')} '{limit.name}'"
    each = ", for each member" if limit.per_member else ""
    model = "" if limit.model is None else f" of the model '{limit.model}'"
    window = "" if limit.window is None else " in total" if limit.window == "total" else f" per {limit.window}"
    return f"The limit of the {who} is {_amount(limit, limit.amount, currency)}{model}{window}{each}."


def _advice(limit: Limit, need: str) -> str:
    """Return what can be done about a request that needs more than the whole limit."""
    if limit.metric == "concurrency":
        return ""
    if limit.metric == "requests":
        return f" This request alone counts as {need}."
    return f" This request alone may need {need}: {_LESS.get(limit.metric, 'send less, or allow less output')}."


def _amount(limit: Limit, amount: int, currency: str) -> str:
    if limit.metric == "cost":
        return f"{_money(amount)} {currency}"
    words = _WORDS[limit.metric]
    if amount == 1:
        words = (
            words.replace("requests", "request").removesuffix("s")
            if limit.metric in TOKEN_METRICS
            else (words.replace("requests", "request"))
        )
    return f"{amount} {words}"


def amount_of(limit: str, amount: int) -> str:
    """Return an amount of a metric for people: of `cost` in units of the currency."""
    return _money(amount) if limit == "cost" else str(amount)


def _money(micros: int) -> str:
    whole, rest = divmod(micros, MICROS_PER_UNIT)
    return f"{whole}.{rest:06d}".rstrip("0").removesuffix(".")
