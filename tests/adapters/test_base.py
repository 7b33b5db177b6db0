"""Secrets stay secret, losses follow the policy, and built chunks keep what clients rely on."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.base import Call, Deployment, Losses, Secret
from adapters.chunks import ChunkBuilder
from adapters.conformance.fold import said_chunks, said_violations, stream_violations
from adapters.errors import ErrorKind, ProviderError
from adapters.transport import Request, Timeouts


def test_secret_is_shown_by_no_text_of_itself_or_its_deployment() -> None:
    """TRAPS 24."""
    secret = Secret("canary")
    deployment = Deployment(id="d", model="m", provider="p", adapter="a", upstream_model="u", credential=secret)
    assert "canary" not in f"{secret} {secret!r} {deployment} {deployment!r} {[secret]}"
    assert secret.value == "canary"


def test_deployment_shows_the_names_of_its_headers_and_never_their_values() -> None:
    """TRAPS 24: operators put keys there too."""
    deployment = Deployment(
        id="d",
        model="m",
        provider="p",
        adapter="a",
        upstream_model="u",
        base_url="https://user:canary@upstream.example",
        options={"api_version": "1", "session_token": "canary"},
        headers={"x-key": "canary"},
    )
    call = Call(deployment=deployment, request_id="r", deadline=1.0)
    assert "canary" not in f"{deployment} {deployment!r} {[deployment]} {call!r}"
    assert "x-key" in repr(deployment)
    assert "'d'" in repr(deployment)
    assert deployment.headers["x-key"] == "canary"


def test_request_shows_neither_its_headers_values_nor_its_body() -> None:
    """TRAPS 24."""
    headers = [(b"authorization", b"Bearer canary")]
    url = "https://upstream.example/?key=canary"
    request = Request(method="POST", url=url, headers=headers, body=b"canary", timeouts=Timeouts(), deadline=1.0)
    assert "canary" not in f"{request} {request!r}"
    assert "POST" in repr(request)


@pytest.mark.parametrize("policy", ["drop", "forward"])
def test_losses_name_each_field_once_in_order(policy: str) -> None:
    losses = Losses(policy)
    for name in ("b", "a", "b"):
        losses.drop(name)
    assert losses.dropped == ("b", "a")


def test_losses_in_many_places_have_one_name() -> None:
    losses = Losses("drop")
    for index in range(3):
        losses.drop(f"messages[{index}].content[7].image_url.detail")
    assert losses.dropped == ("messages[].content[].image_url.detail",)


@pytest.mark.parametrize("param", ["seed", "messages[12].name"])
def test_losses_under_reject_are_the_callers_fault_and_name_the_place(param: str) -> None:
    with pytest.raises(ProviderError) as caught:
        Losses("reject").drop(param)
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED_PARAMETER, param)


STEPS = st.lists(
    st.tuples(st.sampled_from(["text", "reasoning", "refusal", "call", "custom", "arguments"]), st.integers(0, 2)),
    max_size=20,
)


@given(STEPS)
def test_chunk_builder_any_order_of_content_makes_a_sound_stream(steps: list[tuple[str, int]]) -> None:
    """TRAPS 21."""
    builder = ChunkBuilder(chunk_id="c", model="m", created=1)
    chunks, calls, choices = [], 0, {0}
    for kind, choice in steps:
        choices |= set(range(choice + 1))
        match kind:
            case "call":
                index, made = builder.open_tool_call(f"call_{calls}", "f", arguments="{}", choice=choice)
                calls += 1
            case "custom":
                index, made = builder.open_custom_call(f"call_{calls}", "c", choice=choice)
                made += builder.custom_input(index, "x", choice)
                calls += 1
            case "arguments":
                index, made = builder.open_tool_call(f"call_{calls}", "f", choice=choice)
                made += builder.tool_arguments(index, "{}", choice)
                calls += 1
            case _:
                made = getattr(builder, kind)("x", choice)
        chunks += made
    for choice in sorted(choices):
        chunks += builder.finish("tool_calls" if builder.has_tool_calls(choice) else "stop", choice)
        assert builder.finish("stop", choice) == []
    assert list(stream_violations(chunks)) == []
    assert list(said_violations(said_chunks(chunks))) == []


def test_chunk_builder_first_chunk_is_the_role_with_empty_content() -> None:
    builder = ChunkBuilder(chunk_id="c", model="m", created=1)
    first, second = builder.text("Hi")
    assert msgspec.to_builtins(first.choices[0].delta) == {"role": "assistant", "content": ""}
    assert msgspec.to_builtins(second.choices[0].delta) == {"content": "Hi"}
