"""A plan names exactly what differs, refuses what cannot be, and deletes only what it was told to."""

import hashlib

import pytest

from aqueduct.config.document import Token
from aqueduct.config.flatten import wanted
from aqueduct.config.plan import Plan, make_plan
from aqueduct.config.problems import ConfigError
from aqueduct.config.read import read_text
from aqueduct.config.records import Key, Stored

ORG = "orgs: [{slug: a, teams: [{name: t}, {name: u}], users: [{email: x@a}]}, {slug: b, users: [{email: y@b}]}]\n"
MODELS = "providers: [{name: p, adapter: echo}]\nmodels: [{name: m, aliases: [n], deployments: [{provider: p}]}]\n"
SERVERS = "mcp_servers: [{name: w, url: 'http://h'}]\n"


class Keys:
    """Stored keys by provider or MCP server and slot; None stands for a missing AQUEDUCT_SECRET_KEY."""

    def __init__(self, stored: dict[str, str] | None) -> None:
        self._stored = stored

    def is_stored(self, owner: Key, slot: str, literal: str) -> bool:
        if self._stored is None:
            raise ValueError("AQUEDUCT_SECRET_KEY is not set")
        return self._stored.get(f"{owner[1]}.{slot}") == literal


def token_hash(token: Token) -> str:
    return token.token.removeprefix("sha256:")


def stored(text: str, retired: dict[str, str] | None = None) -> Stored:
    document, _ = read_text("stored.yaml", text.encode())
    records = wanted(document, token_hash, {}).records
    return Stored(records={record.key: record for record in records}, retired=retired or {})


def plan(text: str, before: Stored, *, prune: bool = False, keys: Keys | None = None) -> Plan:
    document, source = read_text("f.yaml", text.encode())
    flat = wanted(document, token_hash, before.tokens_by_name())
    return make_plan(source, flat, before, keys or Keys({}), prune=prune)


def changes(made: Plan) -> list[str]:
    return [f"{change.action} {change.record.kind} {change.record.label}" for change in made.changes]


def refusal(text: str, before: Stored, *, prune: bool = False, keys: Keys | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        plan(text, before, prune=prune, keys=keys)
    return str(caught.value)


EMPTY = stored("models: []")


def test_plan_for_same_content_is_empty() -> None:
    assert plan(ORG + MODELS, stored(ORG + MODELS)).is_empty


def test_plan_creates_in_an_order_in_which_references_exist() -> None:
    text = "grants: [{subject: 'team:a/t', allow: [m]}]\nmemberships: [{team: a/t, user: X@a}]\n" + MODELS + ORG
    assert changes(plan(text, EMPTY)) == [
        "create org a", "create org b", "create team a/t", "create team a/u", "create user x@a", "create user y@b",
        "create membership x@a in a/t", "create provider p", "create model m", "create deployment m -> p:m",
        "create grant team:a/t m",
    ]  # fmt: skip


def test_plan_of_changed_fields_names_before_and_after() -> None:
    made = plan(MODELS.replace("name: m,", "name: m, context_window: 8, enabled: false,"), stored(MODELS))
    assert changes(made) == ["change model m"]
    assert [(one.name, one.before, one.after) for one in made.changes[0].fields] == [
        ("context_window", "(none)", "8"),
        ("enabled", "true", "false"),
    ]


def test_plan_without_prune_keeps_and_names_what_the_file_lacks() -> None:
    made = plan("models: []", stored(ORG + MODELS))
    assert made.is_empty
    assert [record.label for record in made.kept] == ["m"]


def test_plan_with_prune_deletes_dependents_first_and_leaves_absent_lists_alone() -> None:
    assert changes(plan("models: []", stored(ORG + MODELS), prune=True)) == [
        "delete deployment m -> p:m",
        "delete model m",
    ]


def test_plan_with_prune_of_a_nested_list_stays_within_its_parent() -> None:
    made = plan("orgs: [{slug: a, teams: [{name: t}]}, {slug: b}]", stored(ORG), prune=True)
    assert changes(made) == ["delete team a/u"]


def test_plan_with_prune_refuses_references_to_what_it_would_delete() -> None:
    text = "providers: []\nmodels: [{name: m, deployments: [{provider: p}]}]"
    assert "f.yaml:2: models[0].deployments[0].provider: there is no provider 'p'" in refusal(
        text, stored(MODELS), prune=True
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "models: [{name: z, deployments: [{provider: q}]}]",
            "models[0].deployments[0].provider: there is no provider",
        ),
        ("memberships: [{team: a/x, user: x@a}]", "memberships[0].team: there is no team 'a/x', in this file or in"),
        ("memberships: [{team: a/t, user: z@a}]", "memberships[0].user: there is no user 'z@a'"),
        (
            "memberships: [{team: a/t, user: y@b}]",
            "memberships[0].user: this user belongs to another organisation, 'b'",
        ),
        (
            "orgs: [{slug: b, users: [{email: x@a}]}]",
            "orgs[0].users[0].email: this user belongs to the organisation 'a'",
        ),
        ("orgs: [{slug: a, default_team: x}]", "orgs[0].default_team: there is no team 'x' in this organisation"),
        (
            "orgs: [{slug: a, service_accounts: [{name: s, team: x}]}]",
            "orgs[0].service_accounts[0].team: there is no team 'a/x'",
        ),
        ("grants: [{subject: 'org:z', allow: [m]}]", "grants[0].subject: there is no org 'z'"),
        (
            "grants: [{subject: 'token:z', allow: [m]}]",
            "grants[0].subject: there is no token 'z', or there are several",
        ),
        ("grants: [{subject: 'org:a', allow: [z]}]", "grants[0].allow[0]: there is no model 'z'"),
        ("grants: [{subject: 'org:a', deny: [n]}]", "grants[0].deny[0]: 'n' is an alias; name the model itself, 'm'"),
        (
            "grants: [{subject: 'org:a', allow_mcp_servers: [z]}]",
            "grants[0].allow_mcp_servers[0]: there is no MCP server 'z', in this file or in the database",
        ),
        (
            "grants: [{subject: 'org:a', deny_mcp_servers: [m]}]",
            "grants[0].deny_mcp_servers[0]: there is no MCP server",
        ),
        ("grants: [{subject: 'org:a', deny: [w]}]", "grants[0].deny[0]: there is no model 'w'"),
        ("grants: [{subject: 'org:z', deny_mcp_servers: [w]}]", "grants[0].subject: there is no org 'z'"),
        (
            "mcp_servers: [{name: w, url: 'http://h', headers: {x: <stored>}}]",
            "mcp_servers[0].headers.x: no such header is stored",
        ),
        (
            "limits: [{subject: 'org:a', metric: requests, window: day, amount: 1, model: z}]",
            "limits[0].model: there is no model 'z'",
        ),
        ("prices: [{model: n, meter: input, amount: '1'}]", "prices[0].model: 'n' is an alias; name the model itself"),
        (
            "models: [{name: 'v/*'}]\nprices: [{model: v/x, meter: input, amount: '1'}]",
            "prices[0].model: 'v/x' is no model of its own; name 'v/*', which covers it, or give it a place under",
        ),
        ("models: [{name: z, aliases: [n]}]", "models[0]: the name 'n' is taken by the model 'm'"),
        ("models: [{name: n}]", "models[0]: the name 'n' is taken by the model 'm'"),
        ("providers: [{name: p, adapter: echo, secret: <stored>}]", "providers[0].secret: no key is stored for this"),
    ],
)
def test_plan_with_impossible_reference_is_refused_at_its_line(text: str, expected: str) -> None:
    line = text.count("\n") + 1
    assert f"f.yaml:{line}: {expected}" in refusal(text, stored(ORG + MODELS + SERVERS))


def test_plan_grant_below_a_wildcard_needs_no_model_of_that_name() -> None:
    before = stored("models: [{name: 'v/*'}]\n" + ORG)
    assert changes(plan("grants: [{subject: 'org:a', allow: [v/x, 'w/*']}]", before)) == [
        "create grant org:a v/x",
        "create grant org:a w/*",
    ]


def test_plan_literal_key_without_secret_key_is_refused_at_its_line() -> None:
    text = "providers:\n- name: p\n  adapter: echo\n  secret: sk-canary\n"
    found = refusal(text, EMPTY, keys=Keys(None))
    assert "f.yaml:4: providers[0].secret: AQUEDUCT_SECRET_KEY is not set" in found
    assert "sk-canary" not in found


def test_plan_literal_key_is_compared_and_never_shown() -> None:
    text = "providers: [{name: p, adapter: echo, secret: sk-canary}]"
    assert plan(text, stored(text), keys=Keys({"p.secret": "sk-canary"})).is_empty
    made = plan(text, stored(text), keys=Keys({"p.secret": "sk-old"}))
    assert [(one.name, one.before, one.after) for one in made.changes[0].fields] == [
        ("secret", "<stored>", "(new key)")
    ]


def test_plan_shows_a_budget_in_units_of_the_currency_as_the_file_has_it() -> None:
    def limits(amount: str) -> str:
        rest = "{subject: 'org:a', metric: requests, window: day, amount: 5}"
        return f"limits: [{{subject: 'org:a', metric: cost, window: month, amount: {amount}}}, {rest}]"

    made = plan(limits("12.5"), stored(ORG))
    assert [(one.name, one.after) for change in made.changes for one in change.fields] == [
        ("amount", "12.5"),
        ("amount", "5"),
    ]
    changed = plan(limits("100"), stored(ORG + limits("12.5")))
    assert [(one.before, one.after) for one in changed.changes[0].fields] == [("12.5", "100")]


def test_plan_shows_what_is_created_as_nothing_or_out_of_service() -> None:
    text = """
orgs: [{slug: o, enabled: false, teams: [{name: t}], users: [{email: u@o}]}]
models: [{name: m, enabled: false, fetch_media: false, max_queries: 0}]
limits: [{subject: 'org:o', metric: requests, window: day, amount: 0}]
"""
    shown = {
        change.record.kind: [(field.name, field.after) for field in change.fields]
        for change in plan(text, EMPTY).changes
    }
    assert shown["org"] == [("name", "o"), ("enabled", "false")]
    assert shown["model"] == [("fetch_media", "false"), ("max_queries", "0"), ("enabled", "false")]
    assert shown["limit"] == [("amount", "0")]
    assert shown["user"] == []


def test_plan_header_values_are_not_shown() -> None:
    before = stored("providers: [{name: p, adapter: echo, headers: {x-a: one}}]")
    made = plan("providers: [{name: p, adapter: echo, headers: {x-a: two}}]", before)
    assert [(one.before, one.after) for one in made.changes[0].fields] == [("x-a", "x-a (new values)")]


def test_plan_retired_token_stays_so_and_is_noted() -> None:
    sha256 = hashlib.sha256(b"t").hexdigest()
    text = (
        f"tokens: [{{name: k, owner: 'user:x@a', token: 'sha256:{sha256}'}}]\n"
        "grants: [{subject: 'token:k', deny: [m]}]\n"
    )
    made = plan(text, stored(ORG + MODELS, retired={sha256: "was revoked on 2030-01-01"}), prune=True)
    assert made.is_empty
    assert made.notes == ("the token 'k' was revoked on 2030-01-01 and stays so; remove it from the file",)


def test_plan_for_prices_of_what_is_not_there_names_line_and_key() -> None:
    text = 'prices:\n- {model: x, meter: input, amount: "1"}\n- {model: m, provider: q, meter: input, amount: "1"}\n'
    found = refusal(text, stored(MODELS)).splitlines()
    assert found == [
        "f.yaml:2: prices[0].model: there is no model 'x', in this file or in the database",
        "f.yaml:3: prices[1].provider: there is no deployment 'm -> q:m', in this file or in the database",
    ]


def test_plan_with_prune_of_a_deployment_deletes_its_prices() -> None:
    before = stored(MODELS + 'prices: [{model: m, provider: p, meter: input, amount: "1"}]')
    made = plan("models: [{name: m, aliases: [n], deployments: []}]", before, prune=True)
    assert changes(made) == ["delete price m -> p:m input", "delete deployment m -> p:m"]


def test_plan_grants_of_a_model_and_of_a_server_of_one_name_are_two() -> None:
    before = stored(ORG + "models: [{name: w}]\n" + SERVERS)
    made = plan("grants: [{subject: 'org:a', allow: [w, 'x*'], deny_mcp_servers: [w, 'x*']}]", before)
    assert changes(made) == [
        "create grant org:a w",
        "create grant org:a x*",
        "create grant org:a MCP server w",
        "create grant org:a MCP server x*",
    ]


def test_plan_header_of_a_server_is_compared_and_never_shown() -> None:
    text = "mcp_servers: [{name: w, url: 'http://h', headers: {X-Key: canary, Y: 'env:Y'}}]"
    assert plan(text, stored(text), keys=Keys({"w.x-key": "canary"})).is_empty
    made = plan(text, stored(text), keys=Keys({"w.x-key": "old"}))
    assert [(one.name, one.before, one.after) for one in made.changes[0].fields] == [
        ("headers", "x-key, y", "x-key, y (new values)")
    ]
    created = plan(text, EMPTY).changes[0]
    assert [(one.name, one.after) for one in created.fields] == [("url", "http://h"), ("headers", "x-key, y")]
    assert "canary" not in refusal(text, EMPTY, keys=Keys(None))


@pytest.mark.parametrize("grants", ["", "\ngrants: []"])
@pytest.mark.parametrize(
    ("section", "noun", "label"), [("models", "model", "org:a m"), ("mcp_servers", "MCP server", "org:a MCP server w")]
)
def test_plan_with_prune_never_deletes_what_an_unlisted_grant_names(
    section: str, noun: str, label: str, grants: str
) -> None:
    key = "allow" if section == "models" else "allow_mcp_servers"
    name = label.rpartition(" ")[2]
    before = stored(ORG + MODELS + SERVERS + f"grants: [{{subject: 'org:a', {key}: [{name}]}}]")
    text = f"{section}: []{grants}"
    if grants:
        assert f"delete grant {label}" in changes(plan(text, before, prune=True))
    else:
        wanted = f"f.yaml:1: {section}: the {noun} '{name}' would be deleted, but the grant '{label}' names it"
        assert wanted in refusal(text, before, prune=True)


def test_plan_with_prune_deletes_a_model_whose_grants_a_wildcard_covers() -> None:
    before = stored(ORG + "models: [{name: v/x}, {name: 'v/*'}]\ngrants: [{subject: 'org:a', allow: [v/x]}]")
    assert changes(plan("models: [{name: 'v/*'}]", before, prune=True)) == ["delete model v/x"]
