"""What a grant of the file is about: each model or MCP server that it names; pure, must not know records or rows."""

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from aqueduct.config import document as doc

TargetKind = Literal["model", "mcp_server"]
Effect = Literal["allow", "deny"]
TARGET_KINDS: Final[tuple[TargetKind, ...]] = ("model", "mcp_server")
NOUNS: Final[dict[TargetKind, Literal["model", "MCP server"]]] = {"model": "model", "mcp_server": "MCP server"}


class Target(Struct, frozen=True, kw_only=True):
    """One name or pattern of a grant; `path` says where it stands in it."""

    kind: TargetKind
    effect: Effect
    name: str
    path: str

    @property
    def shown(self) -> str:
        """The target as it is called in messages, and in the name of its grant."""
        return target_name(self.kind, self.name)


def target_name(kind: TargetKind, name: str) -> str:
    """Return what a target is called: no model has a blank in its name, so that the two kinds are not confused."""
    return name if kind == "model" else f"{NOUNS[kind]} {name}"


def grant_targets(grant: doc.Grant) -> Iterator[Target]:
    """Yield everything that a grant allows or denies."""
    lists: tuple[tuple[TargetKind, Effect, str, tuple[str, ...]], ...] = (
        ("model", "allow", "allow", grant.allow),
        ("model", "deny", "deny", grant.deny),
        ("mcp_server", "allow", "allow_mcp_servers", grant.allow_mcp_servers),
        ("mcp_server", "deny", "deny_mcp_servers", grant.deny_mcp_servers),
    )
    for kind, effect, key, names in lists:
        for index, name in enumerate(names):
            yield Target(kind=kind, effect=effect, name=name, path=f"{key}[{index}]")
