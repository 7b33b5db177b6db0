"""Whether a request can make a provider search is said of each adapter as its requests show it."""

import json

import msgspec
import pytest
from msgspec.structs import replace

from adapters import registry
from adapters.errors import ProviderError
from tests.adapters.dialects import DIALECTS, asked

QUESTION = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 16}


async def body_of(dialect: str, document: dict, policy: str, extra: dict) -> str:
    answer = json.dumps(DIALECTS[dialect][3]).encode()
    adapter, request, call = asked(dialect, {**QUESTION, **document}, answer)
    deployment = replace(call.deployment, extra_params=policy)
    unknown = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in extra.items()}
    await adapter.chat(request, replace(call, deployment=deployment, extra_params=unknown))
    return adapter._transport.requests[-1].body.decode()


def may_search(dialect: str, *, asked: bool = False, has_more: bool = False, forwards: bool = False) -> bool:
    return registry.may_search(DIALECTS[dialect][0], asked=asked, has_more=has_more, forwards=forwards)


@pytest.mark.parametrize("policy", ["drop", "forward"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_unknown_field_that_reaches_a_provider_may_ask_it_to_search(dialect: str, policy: str) -> None:
    reaches = "canary" in await body_of(dialect, {}, policy, {"search_mode_canary": {"deep": True}})
    unasked = may_search(dialect)
    assert may_search(dialect, has_more=True, forwards=policy == "forward") == (reaches or unasked)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_search_options_that_reach_a_provider_ask_it_to_search(dialect: str) -> None:
    try:
        plain = await body_of(dialect, {}, "drop", {})
        changed = plain != await body_of(dialect, {"web_search_options": {}}, "drop", {})
    except ProviderError:
        changed = False
    assert may_search(dialect, asked=True) >= changed
    if DIALECTS[dialect][0] in {"echo", "ollama", "cohere"}:
        assert not may_search(dialect, asked=True)


def test_adapter_of_a_third_party_may_search_whatever_is_asked() -> None:
    assert registry.may_search("theirs", asked=False, has_more=False, forwards=False)


def test_echo_never_searches() -> None:
    assert not registry.may_search("echo", asked=True, has_more=True, forwards=True)
