import json

import pytest

from adapters.base import Secret
from adapters.transport import Timeouts


@pytest.fixture
async def provider(insert):
    return await insert(
        "providers",
        name="main",
        adapter="echo",
        base_url="http://127.0.0.1:8000/v1/",
        secret="env:GOOD_KEY",
        options=json.dumps({"region": "x"}),
        headers=json.dumps({"x-team": "a"}),
    )


async def _model(insert, provider, name="gpt", upstream="gpt-up", **values):
    model = await insert("models", name=name, **values)
    await insert("deployments", model_id=model, provider_id=provider, upstream_model=upstream)
    return model


@pytest.mark.parametrize(("stored", "used"), [(None, "report"), ("off", "off"), ("repair", "repair")])
async def test_load_of_a_model_takes_the_default_for_a_check_that_nobody_chose(load, insert, provider, stored, used):
    """The previous release still writes null."""
    await _model(insert, provider, schema_check=stored)
    resolved = (await load()).resolve("gpt")
    assert resolved is not None
    assert resolved.schema_check == used


async def test_load_of_a_model_carries_every_fact_to_its_deployment(load, insert, provider):
    model = await insert(
        "models",
        name="gpt",
        aliases=["best"],
        operations=["chat"],
        context_window=1000,
        max_output_tokens=100,
        request_weight=3,
        extra_params="forward",
        owned_by="acme",
    )
    timeouts = {"connect_timeout_s": 1.0, "idle_timeout_s": 2.5}
    common = {"model_id": model, "provider_id": provider}
    await insert("deployments", **common, upstream_model="second", priority=1, weight=5)
    await insert("deployments", **common, upstream_model="first", priority=0, **timeouts)
    await insert("deployments", **common, upstream_model="off", enabled=False)
    snapshot = await load()
    resolved = snapshot.resolve("best")
    assert snapshot.problems == ()
    assert resolved is not None
    assert resolved is snapshot.resolve("gpt")
    assert (resolved.id, resolved.name, resolved.catalog_name, resolved.owned_by) == (model, "gpt", "gpt", "acme")
    assert (resolved.operations, resolved.request_weight, resolved.extra_params) == ({"chat"}, 3, "forward")
    assert [(r.deployment.upstream_model, r.priority, r.weight) for r in resolved.deployments] == [
        ("first", 0, 1),
        ("second", 1, 5),
    ]
    deployment = resolved.deployments[0].deployment
    assert (deployment.model, deployment.provider, deployment.adapter) == ("gpt", "main", "echo")
    assert (deployment.base_url, deployment.credential) == ("http://127.0.0.1:8000/v1", Secret("sk-good"))
    assert (deployment.options, deployment.headers) == ({"region": "x"}, {"x-team": "a"})
    assert (deployment.context_window, deployment.max_output_tokens) == (1000, 100)
    assert deployment.timeouts == Timeouts(connect_s=1.0, idle_s=2.5)


BAD_PROVIDERS = [
    ({"adapter": "unheard-of"}, "unknown adapter type"),
    ({"secret": "env:UNSET_KEY"}, "UNSET_KEY"),
    ({"secret": "enc:v1:AAAA"}, "AQUEDUCT_SECRET_KEY"),
    ({"secret": "sk-plain"}, "never plain text"),
    ({"base_url": "ftp://x"}, "base_url"),
    ({"base_url": "http://"}, "base_url"),
    ({"base_url": "http://x:port"}, "base_url"),
    ({"base_url": "http://[::1"}, "base_url"),
    ({"base_url": "http://x/\r\ny"}, "base_url"),
    ({"base_url": "http://user:pass@x"}, "no credentials"),
    ({"base_url": "http://x?key=1"}, "no query"),
    ({"options": '{"a": 1}'}, "options"),
    ({"headers": '{"a": null}'}, "headers"),
    ({"headers": '{"x-a": "b\\r\\nx-evil: 1"}'}, "headers"),
    ({"headers": '{"x a": "b"}'}, "headers"),
]


@pytest.mark.parametrize(("values", "reason"), BAD_PROVIDERS, ids=[str(values) for values, _ in BAD_PROVIDERS])
async def test_load_of_a_bad_provider_reports_it_and_serves_the_rest(load, insert, provider, values, reason):
    await _model(insert, provider)
    bad = await insert("providers", **{"name": "bad", "adapter": "echo"} | values)
    await _model(insert, bad, name="on-bad")
    snapshot = await load()
    assert [(problem.table, problem.name) for problem in snapshot.problems] == [("providers", "bad")]
    assert reason in snapshot.problems[0].reason
    assert "sk-plain" not in snapshot.problems[0].reason
    on_bad, served = snapshot.resolve("on-bad"), snapshot.resolve("gpt")
    assert on_bad is not None
    assert on_bad.deployments == ()
    assert served is not None
    assert len(served.deployments) == 1


async def test_load_after_a_provider_went_bad_keeps_its_last_good_version(
    load, insert, connection, provider, environment
):
    await _model(insert, provider)
    await load()
    del environment["GOOD_KEY"]
    await connection.execute("UPDATE providers SET base_url = 'http://elsewhere'")
    snapshot = await load()
    assert "last good version stays" in snapshot.problems[0].reason
    model = snapshot.resolve("gpt")
    assert model is not None
    assert model.deployments[0].deployment.base_url == "http://127.0.0.1:8000/v1"
    environment["GOOD_KEY"] = "sk-new"
    healed = await load()
    model = healed.resolve("gpt")
    assert healed.problems == ()
    assert model is not None
    assert model.deployments[0].deployment.base_url == "http://elsewhere"


async def test_load_after_a_bad_provider_was_disabled_drops_it(load, insert, connection, provider):
    await _model(insert, provider)
    await load()
    await connection.execute("UPDATE providers SET adapter = 'unheard-of', enabled = false")
    model = (await load()).resolve("gpt")
    assert model is not None
    assert model.deployments == ()


@pytest.mark.parametrize("name", [" padded", "tab\tinside", "new\nline", "zero\u200bwidth"])
async def test_load_of_a_model_with_an_unusable_name_reports_it(load, insert, provider, name):
    await _model(insert, provider)
    await _model(insert, provider, name=name)
    snapshot = await load()
    assert [(problem.table, problem.name) for problem in snapshot.problems] == [("models", name)]
    assert snapshot.resolve(name) is None
    assert snapshot.resolve("gpt") is not None


@pytest.mark.parametrize(("name", "upstream"), [("gpt-4", "gpt-*"), ("a/*", "*/*"), ("gpt-4", ""), ("gpt-4", "x\ny")])
async def test_load_of_a_deployment_with_an_unusable_upstream_model_reports_it(load, insert, provider, name, upstream):
    await _model(insert, provider)
    await _model(insert, provider, name=name, upstream=upstream)
    snapshot = await load()
    assert [problem.table for problem in snapshot.problems] == ["deployments"]
    assert snapshot.resolve("gpt") is not None


async def test_load_of_conflicting_aliases_gives_them_to_the_older_model(load, insert, provider):
    older = await _model(insert, provider, name="older", aliases=["fast", "x*"])
    await _model(insert, provider, name="newer", aliases=["fast", "older", "own"])
    await _model(insert, provider, name="w/*", aliases=["w"])
    snapshot = await load()
    assert len(snapshot.problems) == 4
    fast, own_name, own = snapshot.resolve("fast"), snapshot.resolve("older"), snapshot.resolve("own")
    assert fast is not None
    assert fast.id == older
    assert own_name is fast
    assert own is not None
    assert own.name == "newer"
    assert snapshot.resolve("x*") is None
    assert snapshot.resolve("w") is None


async def test_load_of_wildcards_resolves_the_longest_and_replaces_the_star(load, insert, provider):
    await _model(insert, provider, name="*", upstream="fallback")
    await _model(insert, provider, name="openai/*", upstream="*")
    await _model(insert, provider, name="openai/ft:*", upstream="ft/*/v1")
    await _model(insert, provider, name="openai/exact", upstream="exact-up")
    snapshot = await load()
    expected = {
        "openai/exact": ("openai/exact", "exact-up"),
        "openai/gpt-5": ("openai/*", "gpt-5"),
        "openai/ft:mine": ("openai/ft:*", "ft/mine/v1"),
        "other": ("*", "fallback"),
    }
    for name, (catalog_name, upstream) in expected.items():
        model = snapshot.resolve(name)
        assert model is not None, name
        assert (model.name, model.catalog_name) == (name, catalog_name)
        assert model.deployments[0].deployment.upstream_model == upstream
        assert model.deployments[0].deployment.model == name


async def test_load_of_disabled_models_keeps_their_names_from_wildcards(load, insert, provider):
    await _model(insert, provider, name="*", upstream="*")
    await _model(insert, provider, name="openai/*", upstream="*", enabled=False)
    await _model(insert, provider, name="gpt", aliases=["best"], enabled=False)
    snapshot = await load()
    assert [snapshot.resolve(name) for name in ("gpt", "best", "openai/x")] == [None, None, None]
    assert snapshot.resolve("anything") is not None
