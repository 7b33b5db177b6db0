from uuid import UUID

import msgspec
import pytest

from adapters.base import Call, Deployment
from aqueduct.api.chat import CHAT
from aqueduct.api.embeddings import EMBEDDINGS
from aqueduct.auth.principal import Principal
from aqueduct.catalog.snapshot import ResolvedModel
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.recall import Recall, owner_of, recall_for
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion

ADA, TEAM, ROBOT, ORG = (UUID(int=number) for number in range(1, 5))
CALLED = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f"}}
SIGNED = {"google": {"thought_signature": "c2lnbmVk"}}
CALL = Call(
    deployment=Deployment(id="d", model="m", provider="p", adapter="a", upstream_model="u"),
    request_id="r",
    deadline=1.0,
)


class Vault:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str]] = []
        self.asked: list[tuple[str, list[str]]] = []

    def keep(self, owner, call_id, state):
        assert state
        self.kept.append((owner, call_id))

    async def recall(self, owner, call_ids):
        self.asked.append((owner, list(call_ids)))
        return {}


class Wants:
    def wants_reasoning_back(self, request, call):
        return "always" if isinstance(request, ChatRequest) and call is CALL else "never"


class WantsWithCalls:
    def wants_reasoning_back(self, *_: object):
        return "with_calls"


class DoesNotWant:
    def wants_reasoning_back(self, request, call):
        return "never" if isinstance(request, ChatRequest) and call is CALL else "always"


def principal(token: int = 9, **owner: object) -> Principal:
    return Principal(token_id=UUID(int=token), token_name="t", org_id=ORG, org_slug="demo", **owner)


def recall(vault: Vault | None, switch: bool | None = None, spec: object = CHAT):
    context = RequestContext("r", "/v1/chat/completions", "chat")
    context.principal = principal(owner_kind="user", user_id=ADA)
    fields = {"created": 1, "owned_by": "o", "operations": frozenset(), "context_window": None}
    fields |= {"max_output_tokens": None, "request_weight": 1, "extra_params": "drop", "deployments": ()}
    model = ResolvedModel(id=ORG, name="m", catalog_name="m", signature_vault=switch, **fields)
    return recall_for(vault, spec, model, context)


async def asked(dealings: Recall, said: ChatRequest, adapter: object) -> ChatRequest:
    """Return the request as an attempt's provider is to see it."""
    return await dealings.asked(said) if dealings.is_asked(said, adapter, CALL) else said


def request(*, calls: bool = True, tools: bool = True) -> ChatRequest:
    messages: list[object] = [{"role": "user", "content": "Hi"}]
    if calls:
        messages.append({"role": "assistant", "content": None, "tool_calls": [CALLED]})
    document: dict[str, object] = {"model": "m", "messages": messages}
    return msgspec.convert(document | ({"tools": [TOOL]} if tools else {}), ChatRequest)


def completion() -> ChatCompletion:
    message = {"role": "assistant", "tool_calls": [{**CALLED, "extra_content": SIGNED}]}
    choices = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    return msgspec.convert({"id": "x", "created": 1, "model": "m", "choices": choices}, ChatCompletion)


@pytest.mark.parametrize(
    ("switch", "adapter", "used"),
    [
        (None, Wants(), True),
        (None, WantsWithCalls(), True),
        (None, DoesNotWant(), False),
        (None, object(), False),
        (True, DoesNotWant(), True),
        (True, object(), True),
    ],
)
async def test_vault_is_used_where_the_adapter_wants_it_or_the_operator_says_so(switch, adapter, used):
    vault = Vault()
    dealings = recall(vault, switch)
    await asked(dealings, request(), adapter)
    dealings.keep(request(), completion())

    owner = f"user:{ADA}"
    assert vault.asked == ([(owner, ["call_1"])] if used else [])
    assert vault.kept == ([(owner, "call_1")] if used else [])
    assert (dealings.kept_stream(request()) is not None) is used


def test_vault_is_out_of_the_way_where_it_is_off_or_the_operation_has_no_state():
    assert recall(Vault(), switch=False) is None
    assert recall(None) is None
    assert recall(Vault(), spec=EMBEDDINGS) is None


async def test_vault_is_not_asked_for_a_history_without_answers():
    vault = Vault()
    plain = request(calls=False)
    assert await asked(recall(vault), plain, Wants()) is plain
    assert vault.asked == []


@pytest.mark.parametrize(("adapter", "used"), [(Wants(), True), (WantsWithCalls(), False), (DoesNotWant(), False)])
async def test_vault_is_asked_for_texts_and_fed_with_them_only_where_the_provider_wants_those_back(adapter, used):
    vault = Vault()
    dealings = recall(vault)
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    said = msgspec.convert({"model": "m", "messages": history}, ChatRequest)
    assert await asked(dealings, said, adapter) is said
    message = {"role": "assistant", "content": "Hm", "extra_content": SIGNED}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    dealings.keep(said, msgspec.convert({"id": "x", "created": 1, "model": "m", "choices": choices}, ChatCompletion))
    assert (len(vault.asked), len(vault.kept)) == ((1, 1) if used else (0, 0))
    assert (dealings.kept_stream(request(tools=False)) is not None) is used


def test_owner_is_the_tokens_owner_over_all_its_tokens_and_never_another():
    owners = [
        principal(owner_kind="user", user_id=ADA, team_id=TEAM),
        principal(owner_kind="team", team_id=TEAM),
        principal(owner_kind="service_account", service_account_id=ROBOT, team_id=TEAM),
    ]
    assert len({owner_of(one) for one in owners}) == 3
    rotated = principal(token=10, owner_kind="user", user_id=ADA)
    assert owner_of(rotated) == owner_of(owners[0])
