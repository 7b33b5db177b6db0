"""A wrong file is refused as a whole, and everything wrong with it is named by line and path."""

import pytest
from msgspec import UNSET

from aqueduct.config.problems import MAX_PROBLEMS, ConfigError
from aqueduct.config.read import read_text


def refusals(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_text("f.yaml", text.encode())
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model: []", "f.yaml:1: model: unknown key 'model'; did you mean 'models'?"),
        ("budgets: []", "f.yaml:1: budgets: unknown key 'budgets'; known here: orgs, memberships, tokens, providers"),
        ("models: {}", "f.yaml:1: models: must be a list of items that begin with `-`, is a mapping of keys"),
        ("models: x", "f.yaml:1: models: must be a list of items that begin with `-`, is a text"),
        ("models: [x]", "f.yaml:1: models[0]: must be a mapping of keys, is a text"),
        ("models: [null]", "f.yaml:1: models[0]: must be a mapping of keys, is nothing"),
        ("models:\n- name: 4\n", "f.yaml:2: models[0].name: must be a text, is a whole number; put quotes around it"),
        ("models:\n- aliases: []\n", "f.yaml:2: models[0]: the key 'name' is missing"),
        ("models:\n- name:\n", "f.yaml:2: models[0]: the key 'name' is missing"),
        ("models:\n- name: a\n  extra_params: x\n", "f.yaml:3: models[0].extra_params: 'x' is not one of drop, reject"),
        ("models: [{name: a, operations: [x]}]", "models[0].operations[0]: 'x' is not one of chat, completions, embed"),
        ("models: [{name: a, context_window: 1.5}]", "context_window: must be a whole number, is a number"),
        (
            "models:\n- name: a\n  context_window: 10\n  max_output_tokens: 11\n",
            "f.yaml:4: models[0].max_output_tokens: must be at most the model's context_window, 10",
        ),
        ("models: [{name: a, context_window: 0}]", "context_window: must be a whole number from 1 to 2000000000"),
        ("models: [{name: a, enabled: 'x'}]", "models[0].enabled: must be true or false, is a text"),
        ("models: [{name: 'a*b'}]", "models[0].name: a wildcard has one '*', at its end, as in vendor/*"),
        ("models: [{name: 'a**'}]", "models[0].name: a wildcard has one '*'"),
        ("models: [{name: 'a b'}]", "models[0].name: 'a b' is not allowed"),
        ("models: [{name: 'a/*', aliases: [b]}]", "models[0].aliases: a wildcard has no aliases"),
        ("models: [{name: a, aliases: ['b*']}]", "models[0].aliases[0]: 'b*' is not allowed"),
        ("models:\n- {name: a}\n- {name: a}\n", "f.yaml:3: models[1].name: duplicate model name or alias: 'a' stands"),
        ("models:\n- {name: a}\n- {name: b, aliases: [a]}\n", "f.yaml:3: models[1].aliases[0]: duplicate model name"),
        (
            "models:\n- name: a\n  deployments:\n  - provider: p\n    wieght: 1\n",
            "f.yaml:5: models[0].deployments[0].wieght: unknown key 'wieght'; did you mean 'weight'?",
        ),
        ("models: [{name: a, deployments: [{provider: p, weight: 0}]}]", "weight: must be a whole number from 1"),
        (
            "models: [{name: a, deployments: [{provider: p, timeouts: {idle_s: 0}}]}]",
            "timeouts.idle_s: must be seconds",
        ),
        ("models: [{name: a, deployments: [{provider: p, timeouts: {total_s: 1}}]}]", "unknown key 'total_s'"),
        ("models: [{name: a, deployments: [{provider: p, upstream_model: '*'}]}]", "upstream_model: may hold one '*'"),
        ("models: [{name: a, deployments: [{provider: p}, {provider: p}]}]", "duplicate deployment: 'p:a'"),
        ("providers: [{name: p}]", "providers[0]: the key 'adapter' is missing"),
        ("providers: [{name: p, adapter: x}]", "providers[0].adapter: there is no adapter 'x'; adapters here: "),
        (
            "providers: [{name: p, adapter: echo, base_url: 'ftp://h'}]",
            "base_url: must be a URL that begins with http://",
        ),
        ("providers: [{name: p, adapter: echo, base_url: 'h:80'}]", "base_url: must be a URL that begins with http://"),
        ("providers: [{name: p, adapter: echo, base_url: 'http://'}]", "base_url: must be a URL"),
        ("providers: [{name: p, adapter: echo, base_url: 'http://[::1'}]", "base_url: is no URL"),
        ("providers: [{name: p, adapter: echo, base_url: 'http://h:99999'}]", "base_url: is no URL"),
        (
            "providers: [{name: p, adapter: echo, base_url: 'http://u:p@h'}]",
            "base_url: must not hold a user or a password",
        ),
        ("providers: [{name: p, adapter: echo, base_url: 'http://h/?a=b'}]", "base_url: must end with the path"),
        ("providers: [{name: p, adapter: echo, base_url: 'http://h/a b'}]", "base_url: must be printable ASCII"),
        ('providers: [{name: p, adapter: echo, headers: {a: "x\\ty"}}]', "headers.a: has a value with other than"),
        ("providers: [{name: p, adapter: echo, secret: 'env:'}]", "secret: names no environment variable"),
        ("providers: [{name: p, adapter: echo, secret: 'env:A-B'}]", "secret: names no environment variable"),
        ("providers: [{name: p, adapter: echo, secret: ' sk'}]", "secret: is no credential"),
        ("providers: [{name: p, adapter: echo, options: {a: 1}}]", "options.a: must be a text, is a whole number"),
        (
            "providers: [{name: p, adapter: echo, headers: {Authorization: x}}]",
            "headers.Authorization: holds a credential",
        ),
        ("providers: [{name: p, adapter: echo, headers: {x-goog-api-key: x}}]", "x-goog-api-key: holds a credential"),
        ("providers: [{name: p, adapter: echo, headers: {Host: x}}]", "headers.Host: is set by the gateway itself"),
        ("providers: [{name: p, adapter: echo, headers: {'a b': x}}]", "headers.a b: is no valid header name"),
        (
            'providers: [{name: p, adapter: echo, headers: {a: "x\\r\\nb: c"}}]',
            "headers.a: has a value with other than",
        ),
        ("providers: [{name: p, adapter: echo, headers: {a: x, A: y}}]", "headers.A: duplicate header: 'a'"),
        ("mcp_servers: [{name: w}]", "mcp_servers[0]: the key 'url' is missing"),
        ("mcp_servers: [{name: w, command: npx}]", "mcp_servers[0].command: unknown key 'command'"),
        ("mcp_servers: [{name: w, url: 'stdio:///bin/sh'}]", "url: must be a URL that begins with http:// or https://"),
        ("mcp_servers: [{name: w, url: /bin/sh}]", "url: must be a URL that begins with http:// or https://"),
        ("mcp_servers: [{name: w, url: ''}]", "url: must be a URL that begins with http:// or https://"),
        ("mcp_servers: [{name: w, url: 'HTTP://h'}]", "url: must begin with http:// or https:// in lower case"),
        (
            "mcp_servers: [{name: w, url: 'http://u:p@h'}]",
            "url: must not hold a user or a password; credentials belong",
        ),
        ("mcp_servers: [{name: w, url: 'http://h/#x'}]", "url: must not hold a fragment"),
        (
            "mcp_servers: [{name: w, url: 'http://h/?x=1&exaApiKey=k'}]",
            "url: holds a credential; put it into 'headers'",
        ),
        ("mcp_servers: [{name: 'a*', url: 'http://h'}]", "mcp_servers[0].name: 'a*' is not allowed"),
        ("mcp_servers: [{name: 'a/b', url: 'http://h'}]", "mcp_servers[0].name: 'a/b' is not allowed"),
        ("mcp_servers: [&a {name: w, url: 'http://h'}, *a]", "mcp_servers[1].name: duplicate MCP server: 'w'"),
        ('mcp_servers: [{name: w, url: "http://h", title: "a\\nb"}]', "title: must be at most 2000 characters without"),
        ("mcp_servers: [{name: w, url: 'http://h', headers: {a: 1}}]", "headers.a: must be a text, is a whole number"),
        ("mcp_servers: [{name: w, url: 'http://h', headers: {a: 'env:'}}]", "headers.a: names no environment variable"),
        ("mcp_servers: [{name: w, url: 'http://h', headers: {a: ''}}]", "headers.a: is no credential: it is empty"),
        ("mcp_servers: [{name: w, url: 'http://h', headers: {a: ä}}]", "headers.a: has a value with other than"),
        ("mcp_servers: [{name: w, url: 'http://h', headers: {Host: x}}]", "headers.Host: is set by the gateway itself"),
        ("mcp_servers: [{name: w, url: 'http://h', headers: {Accept: x}}]", "headers.Accept: is set by the gateway"),
        ("mcp_servers: [{name: w, url: 'http://h', headers: {a: x, A: y}}]", "headers.A: duplicate header: 'a'"),
        (
            "grants: [{subject: 'org:a', allow_mcp_servers: ['*x']}]",
            "grants[0].allow_mcp_servers[0]: a wildcard has one",
        ),
        (
            "grants: [{subject: 'org:a', deny_mcp_servers: [a/b]}]",
            "grants[0].deny_mcp_servers[0]: 'a/b' is not allowed",
        ),
        (
            "grants: [{subject: 'org:a', allow_mcp_server: [a]}]",
            "unknown key 'allow_mcp_server'; did you mean 'allow_mcp_servers'?",
        ),
        (
            "grants: [{subject: 'org:a', allow_mcp_servers: [w], deny_mcp_servers: [w]}]",
            "grants[0].deny_mcp_servers[0]: duplicate grant: 'org:a MCP server w'",
        ),
        ("tokens: [{name: t, owner: 'user:a@b', token: sk-live-123}]", "a token itself never stands in a file"),
        ("tokens: [{name: t, owner: a@b, token: 'env:T'}]", "tokens[0].owner: 'a@b' is not allowed; it must be user:"),
        ("tokens: [{name: t, owner: 'user:a@b', token: 'env:T', expires: soon}]", "expires: must be a date such as"),
        ("tokens: [{name: t, owner: 'user:a@b', token: 'env:T', expires: 2030-02-30}]", "expires: must be a date"),
        (
            "tokens: [{name: t, owner: 'user:a@b', token: 'env:T', expires: '9999-12-31T23:00:00-05:00'}]",
            "expires: must be a date",
        ),
        ("grants: [{subject: 'org:a'}]", "grants[0]: neither allows nor denies anything"),
        ("grants: [{subject: a, allow: [m]}]", "grants[0].subject: 'a' is not allowed; it must be org:SLUG"),
        ("grants: [{subject: 'org:a', allow: [m], deny: [m]}]", "grants[0].deny[0]: duplicate grant: 'org:a m'"),
        ("grants: [{subject: 'org:a', allow: ['*x']}]", "grants[0].allow[0]: a wildcard has one '*', at its end"),
        (
            "limits: [{subject: 'org:a', metric: requests, window: decade, amount: 1}]",
            "f.yaml:1: limits[0].window: 'decade' is not one of second, minute, hour",
        ),
        (
            "limits: [{subject: 'org:a', metric: requests, window: minute, amount: -1}]",
            "limits[0].amount: must be from 0 to",
        ),
        (
            "limits: [{subject: 'org:a', metric: requests, window: minute, amount: 1.5}]",
            "limits[0].amount: must be a whole number",
        ),
        (
            "limits: [{subject: 'org:a', metric: cost, window: month, amount: 0.0000001}]",
            "limits[0].amount: must have six decimals at most",
        ),
        ("limits: [{subject: 'org:a', metric: requests, amount: 1}]", "limits[0]: the key 'window' is missing"),
        (
            "limits: [{subject: 'user:x@a', each: member, metric: requests, window: day, amount: 1}]",
            "f.yaml:1: limits[0].each: only an organisation or a team has members; remove it",
        ),
        (
            "limits: [{subject: 'org:a', metric: concurrency, window: day, amount: 1}]",
            "limits[0].window: requests at once have no window; remove it",
        ),
        (
            "limits: [{subject: 'org:a', metric: requests, window: hour, amount: 1, calendar: true}]",
            "limits[0].calendar: only a day, a week or a month is one of the calendar",
        ),
        (
            "limits:\n- &a {subject: 'org:a', metric: cost, window: day, amount: 1}\n- {<<: *a, calendar: true}",
            "f.yaml:3: limits[1]: duplicate limit: 'org:a cost per calendar day' stands at limits[0] already",
        ),
        (
            "limits: [{subject: 'org:a', metric: cost, window: day, budget: 1, amount: 1}]",
            "limits[0].budget: unknown key 'budget'",
        ),
        (
            "prices: [{model: m, meter: tokens, amount: '1'}]",
            "meter: 'tokens' is not one of input, cache_read",
        ),
        (
            "prices: [{model: m, meter: input, amount: '1', tier: x}]",
            "tier: 'x' is not one of standard, batch",
        ),
        (
            "prices: [{model: m, meter: input, amount: 0.1}]",
            "amount: must be a text, is a number; put quotes around it",
        ),
        ("prices: [{model: m, meter: input, amount: '-1'}]", "prices[0].amount: must be a decimal such as '0.25'"),
        ("prices: [{model: m, meter: input, amount: '1e3'}]", "prices[0].amount: must be a decimal such as '0.25'"),
        ("prices: [{model: m, meter: input, amount: 'NaN'}]", "prices[0].amount: must be a decimal such as '0.25'"),
        ("prices: [{model: m, meter: input, amount: '0.0000001'}]", "amount: has more than 12 decimals for one unit"),
        ("prices: [{model: m, meter: input, amount: '1', per: 10}]", "prices[0].per: must be 1, 1000 or 1000000"),
        (
            "prices: [{model: m, meter: input, amount: '1', above_tokens: -1}]",
            "above_tokens: must be a whole number from",
        ),
        ("prices: [{model: m, meter: input, amount: '1', valid_from: soon}]", "valid_from: must be a date such as"),
        (
            "prices: [{model: m, meter: input, amount: '1', valid_from: 0001-01-01T00:00:00+05:00}]",
            "valid_from: must be a date such as",
        ),
        ("prices: [{model: m, upstream_model: u, meter: input, amount: '1'}]", "only together with 'provider'"),
        (
            """prices: [&a {model: m, meter: input, amount: '1', valid_from: 2026-01-01},
            {<<: *a, valid_from: 2026-01-01T01:00:00+01:00}]""",
            "f.yaml:2: prices[1]: duplicate price: 'm input from 2026-01-01T00:00:00+00:00' stands at prices[0]",
        ),
        (
            "prices:\n- &a {model: m, provider: p, meter: input, amount: '1'}\n- {<<: *a, upstream_model: m}",
            "f.yaml:3: prices[1]: duplicate price: 'm -> p:m input'",
        ),
        (
            "orgs: [{slug: a, teams: [{name: t, cost_center: ''}]}]",
            "orgs[0].teams[0].cost_center: '' is not allowed; it must be 1 to 100 characters",
        ),
        (
            "orgs: [{slug: a, teams: [{name: t, cost_center: 4711}]}]",
            "teams[0].cost_center: must be a text, is a whole number; put quotes around it",
        ),
        ("orgs: [{slug: A}]", "orgs[0].slug: 'A' is not allowed; it must be lower-case letters"),
        ("orgs: [{slug: a, teams: [{name: x/y}]}]", "orgs[0].teams[0].name: 'x/y' is not allowed"),
        (
            "orgs: [{slug: a, users: [{email: nobody}]}]",
            "users[0].email: 'nobody' is not allowed; it must be an e-mail",
        ),
        ("orgs: [{slug: a, users: [{email: A@b}, {email: a@b}]}]", "users[1].email: duplicate user: 'a@b'"),
        (
            "memberships: [{team: x, user: a@b}]",
            "memberships[0].team: 'x' is not allowed; it must be a team as ORG/TEAM",
        ),
    ],
)
def test_read_of_wrong_file_names_what_to_mend(text: str, expected: str) -> None:
    """Trap 14: a key that is not known is an error, never a limit that does not hold."""
    lines = refusals(text)
    assert [line for line in lines if expected in line], lines


def test_read_takes_an_answer_as_long_as_the_whole_window() -> None:
    text = b"models: [{name: a, context_window: 10, max_output_tokens: 10}, {name: b, max_output_tokens: 11}]"
    document, _ = read_text("f.yaml", text)
    assert document.models is not UNSET
    assert [model.max_output_tokens for model in document.models] == [10, 11]


def test_read_reports_the_mistakes_of_all_items_in_order_of_their_lines() -> None:
    found = refusals("providers:\n- {name: p}\nmodels:\n- {nam: a}\n- {name: b, x: 1}\nzzz: 1\n")
    assert [line.split(": ")[0] for line in found] == ["f.yaml:2", "f.yaml:4", "f.yaml:5", "f.yaml:6"]


def test_read_with_very_many_mistakes_names_some_and_counts_the_rest() -> None:
    found = refusals("models: [" + "{}," * 1_000 + "]")
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1] == f"f.yaml: and {1_000 - MAX_PROBLEMS} more"


def test_read_secret_never_appears_in_a_message() -> None:
    canary = "sk-canary-0123456789"
    provider = f"name: p, adapter: echo, secret: ' {canary}', headers: {{cookie: {canary}}}, options: {{a: 1}}"
    text = f"providers: [{{{provider}}}]"
    assert canary not in "\n".join(refusals(text))
    token = f"{{name: t, owner: 'user:a@b', token: {canary}}}"
    assert canary not in "\n".join(refusals(f"tokens: [{token}, {token}]"))
    server = f"{{name: w, url: 'http://h', headers: {{a: ' {canary}', b: '{canary}ä', host: {canary}}}}}"
    found = "\n".join(refusals(f"mcp_servers: [{server}]"))
    assert "headers.a" in found
    assert canary not in found
    assert "1234" not in "\n".join(refusals("providers: [{name: p, adapter: echo, secret: 01234}]"))


def test_read_absent_list_differs_from_an_empty_one() -> None:
    document, _ = read_text("f.yaml", b"models: []\ntokens:\norgs: [{slug: a, teams: []}]\n")
    assert document.models == ()
    assert document.tokens is UNSET
    assert isinstance(document.orgs, tuple)
    assert document.orgs[0].teams == ()
    assert document.orgs[0].users is UNSET


def test_read_checks_answers_unless_a_model_says_off() -> None:
    """The word is a truth value to some readers of YAML: without quotes it is refused, not guessed at."""
    found = refusals("models: [{name: a, schema_check: off}]")
    assert found[0].startswith("f.yaml:1: models[0].schema_check: 'off' is ambiguous in YAML")
    document, _ = read_text("f.yaml", b"models: [{name: a, schema_check: 'off'}, {name: b}]\n")
    assert isinstance(document.models, tuple)
    assert [model.schema_check for model in document.models] == ["off", "report"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", "https://h/a/b/", "http://[::1]:1", "http://host"])
def test_read_operator_may_name_any_host(url: str) -> None:
    document, _ = read_text("f.yaml", f"providers: [{{name: p, adapter: echo, base_url: '{url}'}}]".encode())
    assert isinstance(document.providers, tuple)
    assert document.providers[0].base_url == url
