"""Whatever a body is, the decoder returns a request or a `GatewayError` that names the field."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.api.chat import CHAT
from aqueduct.api.completions import COMPLETIONS
from aqueduct.api.embeddings import EMBEDDINGS
from aqueduct.dialects.decode import MAX_EXTRA_PARAMS
from aqueduct.errors import GatewayError

HELLO = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
SPECS = (CHAT, COMPLETIONS, EMBEDDINGS)
NAMES = sorted({name for spec in SPECS for name in spec.request_type.__struct_fields__})
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
near_requests = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, json_values))


def decode_all(body: bytes) -> None:
    for spec in SPECS:
        refusal: GatewayError | None = None
        try:
            request, _ = spec.decoder.decode(body)
            spec.validate(request)
        except GatewayError as error:
            refusal = error
        if refusal is not None:
            assert refusal.status == 400
            assert 0 < len(refusal.message) < 1000
            assert len(refusal.param or "") < 1000


@pytest.mark.parametrize(
    ("fields", "param", "supported"),
    [
        ({"verbosity": "x"}, "verbosity", "'high', 'low', 'medium'"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "'text', 'json_object', 'json_schema'"),
        ({"tools": [{"type": "x"}]}, "tools[0].type", "'function', 'custom'"),
        (
            {"messages": [{"role": "user", "content": "x"}, {"role": "bot", "content": "x"}]},
            "messages[1].role",
            "'system', 'developer', 'user', 'assistant', 'tool', 'function'",
        ),
    ],
)
def test_decode_value_that_a_field_does_not_have_names_those_it_has(
    fields: dict[str, object], param: str, supported: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        CHAT.decoder.decode(json.dumps(HELLO | fields).encode())

    assert (caught.value.code, caught.value.param) == ("invalid_value", param)
    assert caught.value.message.endswith(f" Supported values are: {supported}.")


def test_decode_number_out_of_range_names_no_values() -> None:
    with pytest.raises(GatewayError) as caught:
        CHAT.decoder.decode(json.dumps(HELLO | {"temperature": "hot"}).encode())

    assert "Supported" not in caught.value.message


@given(json_values)
def test_decode_any_json_value_raises_nothing_but_gateway_error(value: object) -> None:
    decode_all(json.dumps(value).encode())


@given(near_requests)
def test_decode_any_value_in_a_known_field_raises_nothing_but_gateway_error(body: dict[str, object]) -> None:
    decode_all(json.dumps({**HELLO, "input": "x", "prompt": "x", **body}).encode())


@given(st.binary(max_size=200))
def test_decode_any_bytes_raise_nothing_but_gateway_error(body: bytes) -> None:
    decode_all(body)


@given(st.data())
def test_decode_damaged_request_with_unknown_field_raises_nothing_but_gateway_error(data: st.DataObject) -> None:
    """A strict decoder stops at the first unknown field: what is broken behind it is found only later."""
    body = bytearray(
        json.dumps({"zzz": 1, **HELLO, "tools": [{"type": "function", "function": {"name": "f"}}]}).encode()
    )
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        if data.draw(st.booleans()):
            body[place] = data.draw(st.integers(0, 255))
        else:
            del body[place:]
            break
        if not body:
            break
    decode_all(bytes(body))


@given(st.dictionaries(st.text(max_size=10).filter(lambda name: name not in NAMES), json_values, max_size=5))
def test_decode_unknown_fields_are_collected_byte_for_byte(extra: dict[str, object]) -> None:
    body = json.dumps({**HELLO, **extra}, allow_nan=False, ensure_ascii=True) if _finite(extra) else ""
    if not body or "\\ud" in body:
        return

    _, found = CHAT.decoder.decode(body.encode())

    assert {name: bytes(value).decode() for name, value in found.items()} == {
        name: json.dumps(value) for name, value in extra.items()
    }


def _finite(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return not any(abs(number) >= 2**63 for number in _integers(value))


def _integers(value: object) -> list[int]:
    if isinstance(value, int):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [number for one in inner for number in _integers(one)]


def test_decode_without_unknown_fields_collects_none() -> None:
    request, extra = CHAT.decoder.decode(json.dumps(HELLO).encode())

    assert request.model == "m"
    assert extra == {}


def test_decode_too_many_unknown_fields_are_refused_with_a_bounded_message() -> None:
    body = {**HELLO, **{f"{number}" * 5000: 1 for number in range(MAX_EXTRA_PARAMS + 1)}}

    with pytest.raises(GatewayError) as caught:
        CHAT.decoder.decode(json.dumps(body).encode())

    assert caught.value.code == "unsupported_parameter"
    assert caught.value.param is not None
    assert len(caught.value.param) < 200


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"messages": [{"role": "user"}]}, "missing_required_parameter", "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "invalid_type",
         "messages[0].content[0].text"),
        ({"tools": [{"type": "function", "function": {}}]}, "missing_required_parameter", "tools[0].function.name"),
        ({"stop": [1]}, "invalid_type", "stop[0]"),
        ({"n": 1.5}, "invalid_type", "n"),
    ],
)  # fmt: skip
def test_decode_wrong_field_is_named_by_its_path(change: dict[str, object], code: str, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        CHAT.decoder.decode(json.dumps({**HELLO, **change}).encode())

    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize(
    ("spec", "field", "least"),
    [
        (CHAT, "max_tokens", 1),
        (CHAT, "max_completion_tokens", 1),
        (CHAT, "n", 1),
        (COMPLETIONS, "max_tokens", 0),
        (COMPLETIONS, "n", 1),
        (COMPLETIONS, "best_of", 1),
    ],
)
def test_decode_number_below_its_least_is_refused(spec: object, field: str, least: int) -> None:
    """Some servers take -1 for no bound at all: an answer without end would be held to limits as one without text."""
    assert isinstance(spec, type(CHAT))
    body = {**HELLO, "prompt": "x"}
    request, _ = spec.decoder.decode(json.dumps({**body, field: least}).encode())
    assert getattr(request, field) == least
    for value in (least - 1, -(2**40)):
        with pytest.raises(GatewayError) as caught:
            spec.decoder.decode(json.dumps({**body, field: value}).encode())
        assert (caught.value.status, caught.value.param) == (400, field)
        assert caught.value.code == "integer_below_min_value"
        assert str(least) in caught.value.message
