"""Metrics have the names of the wire description, bounded labels, and parse."""

from prometheus_client.parser import text_string_to_metric_families

from aqueduct.errors import ErrorType
from aqueduct.observability.metrics import Metrics, error_label

NAMES = {
    "aqueduct_requests",
    "aqueduct_request_duration_seconds",
    "aqueduct_time_to_first_token_seconds",
    "aqueduct_overhead_seconds",
    "aqueduct_tokens",
    "aqueduct_upstream_attempts",
    "aqueduct_inflight",
    "aqueduct_usage_spool_records",
    "aqueduct_usage_rows",
    "aqueduct_usage_source",
    "aqueduct_policy_staleness_seconds",
}


def test_metrics_exposition_parses_and_has_the_documented_names() -> None:
    metrics = Metrics()
    metrics.request(("/v1/x", "m", "p", "200", ""), 0.5, 0.1, 0.001)
    metrics.tokens("m", (10, 2, 0, 5, 0, 3, 1), "provider")
    metrics.attempt("d", "ok")
    metrics.rows("written", 3)

    families = {family.name: family for family in text_string_to_metric_families(metrics.exposition().decode())}

    assert set(families) >= NAMES
    tokens = {sample.labels["type"]: sample.value for sample in families["aqueduct_tokens"].samples
              if sample.name == "aqueduct_tokens_total"}  # fmt: skip
    assert tokens == {
        "input": 10, "cached": 2, "cache_write": 0, "output": 5, "reasoning": 0, "audio_in": 3, "audio_out": 1,
    }  # fmt: skip
    assert not [name for name in families if name.endswith("_created")], "a second series for every counter"
    for family in families.values():
        for sample in family.samples:
            assert not {"user", "token", "token_id", "org"} & set(sample.labels)


def test_error_label_is_empty_for_success_and_closed_otherwise() -> None:
    assert error_label(None) == ""
    assert {error_label(kind).split("_")[0] for kind in ErrorType} == {"caller", "policy", "provider", "gateway", ""}


def test_metrics_unmapped_finish_reasons_count_what_is_new() -> None:
    metrics = Metrics()

    metrics.unmapped_finish_reasons({("openai", "strange"): 2})
    metrics.unmapped_finish_reasons({("openai", "strange"): 3})

    shown = metrics.exposition().decode()
    assert 'aqueduct_unmapped_finish_reason_total{provider="openai",value="strange"} 3.0' in shown
