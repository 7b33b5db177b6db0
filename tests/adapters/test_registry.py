"""Adapters are found by type, third parties' too, and a broken one stands alone."""

from importlib.metadata import EntryPoint

import pytest

from adapters import registry
from adapters.base import SupportsChat
from adapters.echo import EchoAdapter
from adapters.registry import AdapterUnavailableError

BUILT_IN = {
    "anthropic", "azure_openai", "bedrock", "cohere", "echo", "google", "mistral", "ollama", "openai",
    "openai_compatible", "openrouter", "vertex",
}  # fmt: skip


class ThirdParty:
    def __init__(self, transport) -> None:
        self.transport = transport

    async def chat(self, request, call): ...

    async def chat_stream(self, request, call): ...


class NoAdapter:
    pass


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    """Pretend that packages with these entry points are installed."""

    def pretend(**values: str) -> None:
        points = [EntryPoint(name, value, registry.ENTRY_POINT_GROUP) for name, value in values.items()]
        monkeypatch.setattr(registry, "entry_points", lambda **_: points)
        registry._entry_points.cache_clear()
        registry._third_party.cache_clear()

    yield pretend
    monkeypatch.undo()
    registry._entry_points.cache_clear()
    registry._third_party.cache_clear()


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_registry_builds_each_adapter_with_the_transport(name: str) -> None:
    transport = object()
    adapter = registry.build(name, transport)
    assert isinstance(adapter, SupportsChat)
    assert "chat" in registry.operations(type(adapter))


def test_registry_operations_are_those_that_are_implemented() -> None:
    assert registry.operations(EchoAdapter) == {"chat", "completions", "embeddings", "model_discovery"}
    assert registry.operations(ThirdParty) == {"chat"}
    assert registry.operations(NoAdapter) == frozenset()


def test_registry_third_party_is_built_like_any_other(install) -> None:
    before = registry.adapter_types()
    assert before >= BUILT_IN
    install(acme=f"{__name__}:ThirdParty")
    assert registry.adapter_types() == before | {"acme"}
    assert registry.problems() == ()
    assert registry.build("acme", "transport").transport == "transport"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no.such.module:X", "ModuleNotFoundError"),
        (f"{__name__}:Missing", "AttributeError"),
        (f"{__name__}:NoAdapter", "implements an operation"),
        (f"{__name__}:BUILT_IN", "implements an operation"),
    ],
)
def test_registry_broken_third_party_is_reported_and_stops_nothing_else(install, value: str, why: str) -> None:
    install(broken=value, fine=f"{__name__}:ThirdParty")
    assert registry.build("echo", None)
    assert registry.build("fine", None)
    assert "broken" in registry.adapter_types()
    (problem,) = registry.problems()
    assert "broken" in problem
    assert why in problem
    with pytest.raises(AdapterUnavailableError, match="broken"):
        registry.build("broken", None)


def test_registry_third_party_cannot_take_a_built_in_name(install) -> None:
    install(echo=f"{__name__}:ThirdParty")
    assert isinstance(registry.build("echo", None), EchoAdapter)
    (problem,) = registry.problems()
    assert "its name is taken" in problem


def test_registry_unknown_type_names_those_that_exist() -> None:
    with pytest.raises(AdapterUnavailableError, match=r"There is no adapter 'nope'.*anthropic, azure_openai"):
        registry.build("nope", None)
