"""How streams of OpenAI-format servers end: finish reasons, end marks, and failures before and after content."""

import pytest

from adapters.errors import ErrorKind, ProviderError
from adapters.sse import Event
from tests.adapters.openai.stream_items import KIND, ROLE, USAGE, call, deltas, item, new_translator, piece, run


@pytest.mark.parametrize(
    ("native", "called", "expected"),
    [
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("length", True, "length"),
        ("eos", False, "stop"),
        ("COMPLETE", True, "tool_calls"),
        ("model_length", False, "length"),
        ("sensitive", False, "content_filter"),
        ("something_new", False, "stop"),
    ],
)
def test_stream_finish_reason_is_one_of_five(native: str, expected: str, *, called: bool) -> None:
    delta = {"tool_calls": [call("{}", index=0, id="a", name="f")]} if called else {"content": "a"}
    translator = new_translator()
    assert deltas(run(piece(delta), piece({}, native), translator=translator))[-1] == ({}, expected)
    assert translator.native_finish_reason == native


def test_stream_forced_call_of_openai_keeps_its_stop() -> None:
    delta = {"tool_calls": [call("{}", index=0, id="a", name="f")]}
    assert deltas(run(piece(delta, "stop"), translator=new_translator(keep_stop=True)))[-1] == ({}, "stop")


def test_stream_second_finish_is_left_out() -> None:
    """Trap 1: OpenRouter repeats the finish on the chunk with the usage."""
    translator = new_translator()
    chunks = run(piece({"content": "a"}), piece({}, "stop"), piece(ROLE, "stop", usage=USAGE), translator=translator)
    assert deltas(chunks) == [ROLE, {"content": "a"}, ({}, "stop")]
    assert translator.usage is not None
    assert translator.usage.total_tokens == 8


@pytest.mark.parametrize(
    "late",
    [
        piece({"content": "late"}, usage=USAGE),
        piece({"reasoning_content": "late"}, usage=USAGE),
        piece({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}, usage=USAGE),
        piece({"refusal": "late"}, "content_filter", usage=USAGE),
        item(choices=[{"index": 0, "delta": {"content": "late"}, "usage": USAGE}]),
        item(choices=[{"index": 0, "delta": {}, "logprobs": {"content": []}}], usage=USAGE),
    ],
)
def test_stream_nothing_but_usage_is_taken_after_the_finish(late: bytes) -> None:
    """Trap 1: clients stop reading a choice at its finish chunk, or count it twice."""
    translator = new_translator()
    chunks = run(piece({"content": "a"}), piece({}, "stop"), late, translator=translator)
    assert deltas(chunks) == [ROLE, {"content": "a"}, ({}, "stop")]
    assert translator.native_finish_reason == "stop"
    assert translator.usage is not None
    assert translator.usage.total_tokens == 8


@pytest.mark.parametrize("called", [False, True])
def test_stream_end_mark_without_finish_reason_finishes_the_choice(*, called: bool) -> None:
    delta = {"tool_calls": [call("{}", index=0, id="a", name="f")]} if called else {"content": "a"}
    assert deltas(run(piece(delta)))[-1] == ({}, "tool_calls" if called else "stop")


def test_stream_several_choices_finish_once_each() -> None:
    chunks = run(
        piece({"content": "a"}, index=0),
        piece({"content": "b"}, index=1),
        piece({}, "stop", index=1),
        piece({}, "length", index=0),
    )
    finished = [(c.index, c.finish_reason) for chunk in chunks for c in chunk.choices if c.finish_reason]
    assert finished == [(1, "stop"), (0, "length")]
    assert [c.index for chunk in chunks for c in chunk.choices if c.delta.role] == [0, 1]


def test_stream_missing_end_mark_is_forgiven_after_the_finish() -> None:
    translator = new_translator()
    run(piece({"content": "a"}, "stop"), translator=translator, done=False)
    assert translator.finished


@pytest.mark.parametrize(
    "items", [[], [piece(ROLE)], [piece({"content": "a"}, "stop"), piece({"content": "b"}, index=1)]]
)
def test_stream_that_ends_too_early_is_a_connection_error(items: list[bytes]) -> None:
    translator = new_translator()
    with pytest.raises(ProviderError) as raised:
        run(*items, translator=translator, done=False)
    assert raised.value.kind is ErrorKind.CONNECTION
    assert not translator.finished


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"error":{"message":"boom","code":502}}', ErrorKind.SERVER_ERROR),
        (b'{"error":{"message":"slow down","code":429,"metadata":{}},"choices":[]}', ErrorKind.RATE_LIMIT),
        (b'{"error":{"message":"no","code":"tool_use_failed","status_code":400}}', ErrorKind.INVALID_REQUEST),
        (b'{"error":"boom"}', ErrorKind.SERVER_ERROR),
        (b'{"object":"error","message":"boom","type":"BadRequestError","code":400}', ErrorKind.INVALID_REQUEST),
        (b'{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}', ErrorKind.SERVER_ERROR),
        (b'{"x_groq":{"error":"stopped early"},"choices":[]}', ErrorKind.SERVER_ERROR),
        (b"{", ErrorKind.BAD_RESPONSE),
        (b"null", ErrorKind.BAD_RESPONSE),
        (b'"text"', ErrorKind.BAD_RESPONSE),
        (b'{"choices":{}}', ErrorKind.BAD_RESPONSE),
        (b'{"choices":[{"delta":{"content":"\xff"}}]}', ErrorKind.BAD_RESPONSE),
    ],
)
def test_stream_failure_is_a_provider_error_before_and_after_content(data: bytes, kind: ErrorKind) -> None:
    """Trap 19: an error object inside a 200."""
    for before in ([], [piece({"content": "a"})]):
        translator = new_translator()
        with pytest.raises(ProviderError) as raised:
            run(*before, data, translator=translator)
        assert raised.value.kind is kind
        assert not translator.finished


def test_stream_error_with_usage_keeps_the_usage() -> None:
    translator = new_translator()
    with pytest.raises(ProviderError):
        run(item(error={"message": "x", "code": 400}, usage=USAGE), translator=translator)
    assert translator.usage is not None
    assert translator.usage.prompt_tokens == 3


def test_stream_null_error_is_no_error() -> None:
    assert len(run(piece({"content": "a"}, "stop", error=None))) == 3


def test_stream_that_holds_no_answer_is_a_bad_response() -> None:
    with pytest.raises(ProviderError) as raised:
        run(item(choices=[], usage=USAGE))
    assert raised.value.kind is ErrorKind.BAD_RESPONSE


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (b"", item(error={"message": "no"})),
        (b"", b'{"object":"error","message":"no"}'),
        (b"", b"no json"),
        (b"", piece({"content": "b"}, **KIND)[:-1] + b"\xff"),
        (b"error", piece({"content": "b"}, **KIND)),
    ],
)
def test_stream_error_after_a_plain_item_is_an_error(name: bytes, data: bytes) -> None:
    translator = new_translator()
    for before in (piece(ROLE, **KIND), piece({"content": "a"}, **KIND)):
        translator.feed(Event(b"", before))
    with pytest.raises(ProviderError):
        translator.feed(Event(name, data))
