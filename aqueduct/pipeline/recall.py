"""Puts back what a client dropped from earlier answers, and keeps what it may drop from this one; knows no provider.

An operation without such state, a model whose vault is off, a provider that wants nothing back and a history that lacks
nothing cost nothing here: the vault is asked only for answers that came back bare to a provider that wants them whole.
"""

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol

from adapters.base import Call, ReasoningBack
from aqueduct.auth.principal import Principal
from aqueduct.catalog.snapshot import ResolvedModel
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.spec import BodyT, ChunkT, OperationSpec, RequestT, StateCollector, StateSpec


class StateVault(Protocol):
    """Where states are kept, each for its owner alone."""

    def keep(self, owner: str, key: str, state: bytes) -> None:
        """Keep a state, or that there is none; never waits and never fails."""
        ...

    async def recall(self, owner: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the states that are known; never fails."""
        ...


def recall_for(
    vault: StateVault | None,
    spec: OperationSpec[RequestT, BodyT, ChunkT],
    model: ResolvedModel,
    context: RequestContext,
) -> "Recall[RequestT, BodyT, ChunkT] | None":
    """Return a request's dealings with the vault, None where there can be none."""
    if vault is None or spec.states is None or model.signature_vault is False or context.principal is None:
        return None
    return Recall(vault, spec.states, context.principal, always=model.signature_vault is True)


def owner_of(principal: Principal) -> str:
    """Return whose states a token reads and writes: its user's, service account's or team's, over all their tokens."""
    owners = {"user": principal.user_id, "team": principal.team_id, "service_account": principal.service_account_id}
    return f"{principal.owner_kind}:{owners[principal.owner_kind] or principal.token_id}"


class Recall(Generic[RequestT, BodyT, ChunkT]):
    """One request's dealings with the vault. `always`: the operator wants it whatever the adapter says."""

    __slots__ = ("_always", "_principal", "_scope", "_states", "_vault")

    def __init__(
        self, vault: StateVault, states: StateSpec[RequestT, BodyT, ChunkT], principal: Principal, *, always: bool
    ) -> None:
        self._vault = vault
        self._states = states
        self._principal = principal
        self._always = always
        self._scope: ReasoningBack = "always" if always else "never"

    def is_asked(self, request: RequestT, adapter: object, call: Call) -> bool:
        """Begin an attempt; returns whether its provider wants states back that the request may lack."""
        if not self._always:
            self._scope = self._states.wanted(adapter, request, call)
        return self._scope != "never" and self._states.lacks_any(request)

    async def asked(self, request: RequestT) -> RequestT:
        """Return the request as the provider of this attempt is to see it."""
        keys = self._states.lacking(request, self._scope)
        if not keys:
            return request
        found = await self._vault.recall(owner_of(self._principal), list(keys.values()))
        return self._states.restored(request, keys, found) if found else request

    def keep(self, request: RequestT, body: BodyT) -> None:
        """Keep the state of a whole answer of the last attempt."""
        if self._scope != "never":
            _keep(self._vault, self._principal, self._states.of_body(request, body, self._scope))

    def kept_stream(self, request: RequestT) -> "KeptStream[ChunkT] | None":
        """Return what keeps the state of a streamed answer of the last attempt, None where there is nothing to keep."""
        scope = self._scope
        if scope == "never" or (scope == "with_calls" and not self._states.may_call_tools(request)):
            return None
        return KeptStream(self._vault, self._principal, self._states.collector(request, scope))


class KeptStream(Generic[ChunkT]):
    """The state of one streamed answer on its way into the vault."""

    __slots__ = ("_collector", "_principal", "_vault", "feed")

    def __init__(self, vault: StateVault, principal: Principal, collector: StateCollector[ChunkT]) -> None:
        self._vault = vault
        self._principal = principal
        self._collector = collector
        self.feed = collector.feed

    def keep(self) -> None:
        """Keep what has been fed."""
        _keep(self._vault, self._principal, self._collector.result())


def _keep(vault: StateVault, principal: Principal, states: Mapping[str, bytes]) -> None:
    owner = owner_of(principal)
    for key, state in states.items():
        vault.keep(owner, key, state)
