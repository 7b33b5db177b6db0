"""YAML is read within bounds, and every refusal names its line."""

import time
from pathlib import Path

import pytest

from aqueduct.config import source
from aqueduct.config.problems import ConfigError
from aqueduct.config.source import load, parse

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


def refusal(data: bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse("f.yaml", data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "f.yaml:1: the file is empty"),
        (b"# only a comment\n", "f.yaml:1: the file is empty"),
        (b"- a\n", "f.yaml:1: the file must hold keys"),
        (b"text\n", "f.yaml:1: the file must hold keys"),
        (b"a:\n\tb: 1\n", "f.yaml:2: the line is indented with a tab"),
        (b"a: 1\nb: \xff\n", "f.yaml:2: the file is not UTF-8"),
        (b"a: 1\n" * 2, "f.yaml:2: the key 'a' stands here twice"),
        (b"a: 1\n---\nb: 2\n", "f.yaml:2: a second YAML document begins here"),
        (b"a: [1\n", "f.yaml:2: no valid YAML"),
        (b"a: b: c\n", "f.yaml:1: no valid YAML"),
        (b"a: \x00\n", "f.yaml:1: no valid YAML"),
        (b"a: *missing\n", "f.yaml:1: no valid YAML: found undefined alias"),
        (b"a: !!python/object/apply:os.system [x]\n", "f.yaml:1: YAML tags"),
        (b"a: !!binary aGk=\n", "f.yaml:1: YAML tags"),
        (b"a: !mine x\n", "f.yaml:1: YAML tags"),
        (b"1: x\n", "f.yaml:1: a key must be a text"),
        (b"? [a]\n: x\n", "f.yaml:1: a key must be a text"),
        (b"a:\n  b: yes\n", "f.yaml:2: a.b: 'yes' is ambiguous in YAML"),
        (b"a: 0o17\nb: 017\n", "f.yaml:2: b: the value is no plain decimal number"),
        (b"a: 1:30\n", "f.yaml:1: a: the value is no plain decimal number"),
        (b"a: .inf\n", "f.yaml:1: a: the value is no plain decimal number"),
        (b"a: " + b"9" * 50 + b"\n", "is no plain decimal number"),
        (b"a: &a [*a]\n", "the aliases expand to too much"),
        (b"<<: text\n", "f.yaml:1: `<<` needs an alias of a mapping"),
        (b"a: " + b"[" * 50_000 + b"\n", "f.yaml:1: nested deeper than 20 levels"),
        (BOMB.encode(), "the aliases expand to too much"),
        (b"#" * (source.MAX_BYTES + 1), "f.yaml:1: the file is larger than 4 MiB"),
        (b"a: [" + b"1," * source.MAX_NODES + b"]\n", "f.yaml:1: more than 200000 values"),
    ],
)
def test_parse_of_bad_file_names_line_and_reason(data: bytes, expected: str) -> None:
    started = time.perf_counter()
    assert expected in refusal(data)
    assert time.perf_counter() - started < 20


def test_parse_keeps_values_and_their_lines() -> None:
    parsed = parse("f.yaml", b"\xef\xbb\xbfa: 2030-01-01\nb:\n  - c: 1.5\n    d: -3\n  - {e: true, f: 'no'}\ng:\n")
    assert parsed.root == {"a": "2030-01-01", "b": [{"c": 1.5, "d": -3}, {"e": True, "f": "no"}]}
    assert [parsed.line(path) for path in ("a", "b", "b[0].d", "b[1].f", "b[1].missing", "nowhere")] == [
        1,
        2,
        4,
        5,
        5,
        1,
    ]


def test_parse_alias_and_merge_key_expand_and_explicit_keys_win() -> None:
    parsed = parse("f.yaml", b"base: &base {a: 1, b: 2}\nuse: {<<: *base, b: 3}\nboth: {<<: [*base, {c: 4}]}\n")
    assert parsed.root["use"] == {"a": 1, "b": 3}
    assert parsed.root["both"] == {"a": 1, "b": 2, "c": 4}


def test_load_of_missing_file_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml")


def test_load_of_directory_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)
