"""Which models a scope chain may use, decided from grants; knows no token and no database.

Without any grant everything is visible. A scope (org, team, user or service account, token) that has at least one
`allow` shows only what matches one of its allows, and nothing that matches one of its denies. Every scope of the
chain must agree, so a narrower scope can only narrow, and a deny anywhere wins. A pattern is a model's name, or ends
in `*` and matches every name that begins with what is before it.
"""

from collections.abc import Iterable

from msgspec import Struct

MAX_PATTERN_CHARS = 256


class Rules(Struct, frozen=True):
    """Names and prefixes (patterns without their `*`), in the form in which they are matched."""

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    def match(self, name: str) -> bool:
        """Whether a name is meant."""
        return name in self.names or (bool(self.prefixes) and name.startswith(self.prefixes))


class ScopePolicy(Struct, frozen=True):
    """The grants of one scope; `allow` None means that the scope has no allow-list."""

    allow: Rules | None = None
    deny: Rules = Rules()

    def permits(self, name: str) -> bool:
        """Whether this scope lets a model through."""
        return (self.allow is None or self.allow.match(name)) and not self.deny.match(name)


class Policy(Struct, frozen=True):
    """The scopes that a principal stands under; those without grants are left out."""

    scopes: tuple[ScopePolicy, ...] = ()

    def permits(self, name: str) -> bool:
        """Whether every scope lets a model through."""
        return all(scope.permits(name) for scope in self.scopes)


def rules(patterns: Iterable[str]) -> Rules:
    """Return patterns in the form in which they are matched. Raises `ValueError` for a `*` not at the end."""
    names: set[str] = set()
    prefixes: set[str] = set()
    for pattern in patterns:
        if not is_pattern(pattern):
            raise ValueError("a pattern is a name, or a beginning and one '*' at its end")
        if pattern.endswith("*"):
            prefixes.add(pattern[:-1])
        else:
            names.add(pattern)
    return Rules(names=frozenset(names), prefixes=tuple(sorted(prefixes)))


def is_pattern(pattern: str) -> bool:
    """Whether a text can be matched against model names."""
    return 0 < len(pattern) <= MAX_PATTERN_CHARS and "*" not in pattern[:-1]
