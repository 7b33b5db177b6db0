"""The schema for editors is in step with the Structs and judges files as `apply` does, as far as a schema can."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from aqueduct.config import json_schema
from aqueduct.config.read import read_text
from aqueduct.config.source import parse
from tests.golden import Golden

ROOT = Path(__file__).resolve().parents[2]


def validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(json_schema.render()))


def test_schema_in_docs_is_generated_from_the_structs(golden: Golden) -> None:
    Golden(ROOT / "docs", write=golden.write).check("aqueduct.schema.json", json_schema.render())


def test_example_passes_the_schema_and_the_reader() -> None:
    data = (ROOT / "examples" / "aqueduct.yaml").read_bytes()
    _, source = read_text("aqueduct.yaml", data)
    assert list(validator().iter_errors(source.root)) == []


@pytest.mark.parametrize(
    "text",
    [
        "modles: []",
        "models: [{name: a, x: 1}]",
        "models: [{}]",
        "models: [{name: 'a*b'}]",
        "models: [{name: a, operations: [x]}]",
        "providers: [{name: p, adapter: x, options: {a: 1}}]",
        "tokens: [{name: t, owner: 'user:a@b', token: sk-live}]",
        "grants: [{subject: a, allow: [m]}]",
        "orgs: [{slug: A}]",
        "mcp_servers: [{name: w}]",
        "mcp_servers: [{name: w, url: 'stdio:x'}]",
        "mcp_servers: [{name: 'a b', url: 'http://h'}]",
    ],
)
def test_schema_refuses_what_the_reader_refuses(text: str) -> None:
    assert not validator().is_valid(parse("f.yaml", text.encode()).root)
