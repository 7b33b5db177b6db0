"""Nobody outside an adapter's folder and the registry names a provider in code (docs/adr/0001)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.openai_compatible.quirks import ROWS
from tests.repo.checkout import ROOT, tracked_files

# Added to the names of folders under adapters/ and of rows of quirks.
KNOWN = {"claude", "gemini"}
NOT_VENDORS = {"compatible", "default", "echo", "together"}
"""Words of their own."""

# The public API is the one that OpenAI defined, so its headers and the format's name belong to the gateway too.
ALLOWED_TEXT = re.compile(r"openai-(?:processing-ms|version|organization|project|model|beta|format|compatible)")

# What shared code must know all the same, each with its reason.
ALLOWED_MENTIONS = {
    ("adapters/errors.py", "xai"): "the prefix of a kind of key that must not appear in a message",
    ("adapters/extra_params.py", "azure"): "the beginning of field names by which gateways choose credentials",
    ("adapters/extra_params.py", "vertex"): "the beginning of field names by which gateways choose credentials",
    ("aqueduct/config/document.py", "ollama"): "an example in a key's description",
    ("aqueduct/config/document.py", "openai"): "an example in a key's description",
    ("aqueduct/config/document.py", "vllm"): "an example in a key's description",
}


def providers() -> set[str]:
    folders = {path.name for path in (ROOT / "adapters").iterdir() if (path / "adapter.py").is_file()}
    return KNOWN | ({part for folder in folders for part in folder.split("_")} | set(ROWS)) - NOT_VENDORS


def governed_files() -> list[Path]:
    return [
        path
        for path in tracked_files()
        if path.suffix == ".py"
        and (path.parts[0] == "aqueduct" or (path.parts[0] == "adapters" and len(path.parts) == 2))
        and path != Path("adapters/registry.py")
    ]


def code_words(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each identifier and each string that is not a docstring, with its line."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and id(node) not in prose:
            value = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            if isinstance(value, str):
                yield line, ALLOWED_TEXT.sub("", value.lower())
        for field in ("id", "attr", "arg", "name", "asname", "module"):
            if isinstance(word := getattr(node, field, None), str):
                hyphenated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", word).replace("_", "-").lower()
                yield line, ALLOWED_TEXT.sub("", hyphenated)


def named_providers(source: str, names: set[str]) -> list[tuple[int, str]]:
    """Line and provider of each mention in code."""
    return sorted(
        {
            (line, part)
            for line, word in code_words(ast.parse(source))
            for part in re.split(r"[^a-z0-9]+", word)
            if part in names
        }
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('if provider == "anthropic": ...', [(1, "anthropic")]),
        ("from adapters.google import adapter", [(1, "google")]),
        ("class GeminiQuirk: ...", [(1, "gemini")]),
        ('NAME = b"x-mistral-id"', [(1, "mistral")]),
        ('"""A docstring may say anthropic."""\n# so may a comment: google', []),
        ('HEADER = b"openai-processing-ms"', []),
        ('OPENAI_VERSION = b"2020-10-01"', []),
        ('HEADER = b"openai-secret"', [(1, "openai")]),
    ],
)
def test_named_providers_finds_code_and_ignores_prose(source: str, expected: list[tuple[int, str]]) -> None:
    assert named_providers(source, providers()) == expected


def mentions() -> list[tuple[str, int, str]]:
    return [
        (path.as_posix(), line, name)
        for path in governed_files()
        for line, name in named_providers((ROOT / path).read_text("utf-8"), providers())
    ]


def test_shared_code_names_no_provider() -> None:
    assert [f"{path}:{line}: {name}" for path, line, name in mentions() if (path, name) not in ALLOWED_MENTIONS] == []


def test_allowed_mentions_are_still_needed() -> None:
    assert set(ALLOWED_MENTIONS) <= {(path, name) for path, _, name in mentions()}
