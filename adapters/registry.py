"""Finds an adapter's class by the type name that the configuration uses; knows nothing of what adapters do.

Classes are imported when they are first asked for, so that a provider that nobody configured costs nothing. Third
parties add theirs through the entry point group `aqueduct.adapters` (name = adapter type, value = the class).
"""

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from adapters.base import (
    Adapter,
    SupportsChat,
    SupportsCompletions,
    SupportsEmbeddings,
    SupportsModelDiscovery,
    SupportsRerank,
)
from adapters.transport import Transport

ENTRY_POINT_GROUP: Final = "aqueduct.adapters"
_BUILT_IN: Final = {
    "anthropic": "adapters.anthropic:AnthropicAdapter",
    "azure_openai": "adapters.azure_openai:AzureOpenAIAdapter",
    "bedrock": "adapters.bedrock:BedrockAdapter",
    "cohere": "adapters.cohere:CohereAdapter",
    "echo": "adapters.echo:EchoAdapter",
    "google": "adapters.google:GoogleAdapter",
    "mistral": "adapters.mistral:MistralAdapter",
    "ollama": "adapters.ollama:OllamaAdapter",
    "openai": "adapters.openai:OpenAIAdapter",
    "openai_compatible": "adapters.openai_compatible:OpenAICompatibleAdapter",
    "openrouter": "adapters.openrouter:OpenRouterAdapter",
    "vertex": "adapters.vertex:VertexAdapter",
}
_SEARCH_WHEN_ASKED: Final = frozenset(_BUILT_IN) - {"mistral", "openai_compatible", "openrouter"}
"""Adapters whose providers search, for a charge by the query, only where a request asks for it."""
_NO_SEARCH_OPTIONS: Final = frozenset({"cohere", "echo", "ollama"})
"""Adapters that leave search options out."""
_MORE_WHERE_FORWARDED: Final = frozenset({"anthropic", "bedrock", "cohere", "google", "vertex"})
"""Adapters that send unknown fields only where the model's policy is to forward them; others of ours always do."""
_NOTHING_MORE: Final = frozenset({"echo", "ollama"})
"""Adapters that send none that could ask for a search."""
_IN_PRICE_LISTS: Final[dict[str, tuple[str, ...]]] = {
    "azure_openai": ("azure",),
    "google": ("gemini",),
    "vertex": ("vertex_ai",),
}
"""What published price lists put before the names of models at an adapter's providers, where it is not its own name."""
_OPERATIONS: Final[dict[str, type]] = {
    "chat": SupportsChat,
    "completions": SupportsCompletions,
    "embeddings": SupportsEmbeddings,
    "model_discovery": SupportsModelDiscovery,
    "rerank": SupportsRerank,
}
# What importing a foreign module and looking up a name in it can raise.
_LOAD_ERRORS: Final = (
    ImportError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def may_search(name: str, *, asked: bool, has_more: bool, forwards: bool) -> bool:
    """Return whether a request may make an adapter's providers search the web, for a charge by the query.

    `asked`: it has search options; `has_more`: it has unknown fields, which may ask for anything where they reach the
    provider; `forwards`: the model's policy is to forward them.
    """
    if name not in _SEARCH_WHEN_ASKED:
        return True
    if asked and name not in _NO_SEARCH_OPTIONS:
        return True
    return has_more and name not in _NOTHING_MORE and (forwards or name not in _MORE_WHERE_FORWARDED)


def price_list_names(name: str) -> tuple[str, ...]:
    """Return what published price lists call an adapter's providers beside its own name."""
    return _IN_PRICE_LISTS.get(name, ())


class AdapterUnavailableError(LookupError):
    """No adapter of this type is installed, or its package cannot be loaded; the text says which and why."""


def adapter_types() -> frozenset[str]:
    """Return the names of all adapter types, those of broken third-party packages too."""
    return frozenset(_BUILT_IN) | frozenset(_third_party())


def adapter_class(adapter_type: str) -> type[Adapter]:
    """Return the class of an adapter type; raises `AdapterUnavailableError`."""
    path = _BUILT_IN.get(adapter_type)
    if path is not None:
        module, _, name = path.partition(":")
        found: type[Adapter] = getattr(import_module(module), name)
        return found
    entry_point = _third_party().get(adapter_type)
    if entry_point is None:
        known = ", ".join(sorted(adapter_types()))
        raise AdapterUnavailableError(f"There is no adapter '{adapter_type}'. Adapters here: {known}.")
    return _load(entry_point)


def build(adapter_type: str, transport: Transport) -> Adapter:
    """Return a new adapter of this type; raises `AdapterUnavailableError`."""
    return adapter_class(adapter_type)(transport)


def operations(adapter: type[Adapter]) -> frozenset[str]:
    """Return the names of the operations that an adapter class implements."""
    return frozenset(name for name, protocol in _OPERATIONS.items() if issubclass(adapter, protocol))


def problems() -> tuple[str, ...]:
    """Load every third-party adapter and return what is wrong with which, one text each; for `doctor` and start-up."""
    found = [
        f"The adapter '{name}' of {_origin(entry_point)} is ignored: its name is taken."
        for name, entry_point in _entry_points()
        if _third_party().get(name) is not entry_point
    ]
    for entry_point in _third_party().values():
        try:
            _load(entry_point)
        except AdapterUnavailableError as error:
            found.append(str(error))
    return tuple(found)


def _load(entry_point: EntryPoint) -> type[Adapter]:
    what = f"The adapter '{entry_point.name}' of {_origin(entry_point)}"
    try:
        loaded: object = entry_point.load()
    except _LOAD_ERRORS as error:
        raise AdapterUnavailableError(f"{what} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(loaded, type) or not operations(loaded):
        raise AdapterUnavailableError(f"{what} is no class that implements an operation.")
    return loaded


def _origin(entry_point: EntryPoint) -> str:
    distribution = entry_point.dist
    return f"'{entry_point.value}'" if distribution is None else f"the package '{distribution.name}'"


@cache
def _entry_points() -> tuple[tuple[str, EntryPoint], ...]:
    found = entry_points(group=ENTRY_POINT_GROUP)
    return tuple(sorted(((point.name, point) for point in found), key=lambda item: (item[0], item[1].value)))


@cache
def _third_party() -> dict[str, EntryPoint]:
    """By name; the first of several in the order of their values, and none that a built-in adapter has."""
    found: dict[str, EntryPoint] = {}
    for name, entry_point in _entry_points():
        if name not in _BUILT_IN:
            found.setdefault(name, entry_point)
    return found
