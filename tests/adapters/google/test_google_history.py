"""The conversation: turns, tool rounds, signatures and media."""

import json

import pytest

from adapters.errors import ProviderError
from tests.adapters.google.exchanges import SIGNATURE
from tests.adapters.google.translate import sent, sent_and_dropped

PNG = "data:image/png;base64,aW1hZ2U="


def user(content: object = "Go on.", **fields) -> dict:
    return {"role": "user", "content": content, **fields}


def called(call_id: str = "call_1", name: str = "get_weather", arguments: str = "{}", **fields) -> dict:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **fields}


def assistant(*calls: dict, content: str | None = None, **fields) -> dict:
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **fields}


def result(call_id: str = "call_1", content: object = "21", **fields) -> dict:
    return {"role": "tool", "tool_call_id": call_id, "content": content, **fields}


def contents(*messages: dict, model: str = "gemini-2.5-flash") -> list[dict]:
    return sent(model, messages=list(messages))["contents"]


def refused(*messages: dict, model: str = "gemini-2.5-flash") -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        sent(model, messages=list(messages))
    return caught.value


def test_history_system_and_developer_messages_become_the_instruction_in_order() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        user("Hello"),
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
    ]
    body = sent(messages=messages)
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]


def test_history_system_message_alone_becomes_the_question() -> None:
    body = sent(messages=[{"role": "system", "content": "Say hello."}])
    assert "systemInstruction" not in body
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Say hello."}]}]


def test_history_gemma_3_gets_the_instruction_in_the_first_turn() -> None:
    body = sent("gemma-3-27b-it", messages=[{"role": "system", "content": "Be brief."}, user("Hello")])
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Be brief."}, {"text": "Hello"}]}]
    assert "systemInstruction" not in body


def test_history_consecutive_roles_become_one_turn_without_empty_texts() -> None:
    found = contents(user("a"), user(""), user("b"), assistant(content="c"), assistant(content=""), user("d"))
    assert [(turn["role"], [part["text"] for part in turn["parts"]]) for turn in found] == [
        ("user", ["a", "b"]),
        ("model", ["c"]),
        ("user", ["d"]),
    ]


def test_history_results_follow_their_calls_in_order_with_names_and_ids() -> None:
    found = contents(
        user(),
        assistant(called("a", "one", '{"x":1}'), called("b", "two", ""), content="Let me see."),
        result("b", '{"t": 21.50}'),
        result("a", "cold"),
        user("And now?"),
    )
    assert [turn["role"] for turn in found] == ["user", "model", "user"]
    assert found[1]["parts"] == [
        {"text": "Let me see."},
        {"functionCall": {"name": "one", "args": {"x": 1}, "id": "a"}},
        {"functionCall": {"name": "two", "args": {}, "id": "b"}},
    ]
    assert found[2]["parts"] == [
        {"functionResponse": {"name": "one", "response": {"result": "cold"}, "id": "a"}},
        {"functionResponse": {"name": "two", "response": {"t": 21.5}, "id": "b"}},
        {"text": "And now?"},
    ]


@pytest.mark.parametrize(
    ("content", "fields", "expected"),
    [
        ('{"a": 1}', {}, {"a": 1}),
        ("[1, 2]", {}, {"result": [1, 2]}),
        ("42", {}, {"result": 42}),
        ("sunny", {}, {"result": "sunny"}),
        ("", {}, {"result": ""}),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], {}, {"result": "ab"}),
        ("no such city", {"is_error": True}, {"error": "no such city"}),
        ("[" * 100_000, {}, {"result": "[" * 100_000}),
    ],
)
def test_history_tool_result_is_an_object(content: object, fields: dict, expected: dict) -> None:
    found = contents(user(), assistant(called()), result(content=content, **fields))
    assert found[-1]["parts"][0]["functionResponse"]["response"] == expected


def test_history_image_in_a_result_stands_inside_for_gemini_3_and_beside_before() -> None:
    image = [{"type": "text", "text": "chart"}, {"type": "image_url", "image_url": {"url": PNG}}]
    messages = [user(), assistant(called()), result(content=image)]
    blob = {"inlineData": {"mimeType": "image/png", "data": "aW1hZ2U="}}
    new = contents(*messages, model="gemini-3-flash-preview")[-1]["parts"]
    old = contents(*messages)[-1]["parts"]
    assert len(new) == 1
    assert new[0]["functionResponse"]["parts"] == [blob]
    assert "parts" not in old[0]["functionResponse"]
    assert old[1] == blob


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([user(), assistant(called()), user()], "messages[1].tool_calls[0]"),
        ([user(), assistant(called())], "messages[1].tool_calls[0]"),
        ([user(), result()], "messages[1].tool_call_id"),
        ([user(), assistant(called()), result(), result()], "messages[3].tool_call_id"),
        ([user(), assistant(called(), called("call_2")), result()], "messages[1].tool_calls[1]"),
    ],
)
def test_history_orphans_are_refused_with_their_path(messages: list[dict], param: str) -> None:
    error = refused(*messages)
    assert (error.kind, error.param) == ("invalid_tool_history", param)


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", "x", "{" * 5])
def test_history_arguments_that_are_no_object_are_refused_with_their_path(arguments: str) -> None:
    error = refused(user(), assistant(called(), called("b", arguments=arguments)), result(), result("b"))
    assert (error.kind, error.param) == ("invalid_request", "messages[1].tool_calls[1].function.arguments")


def test_history_deprecated_function_call_becomes_a_round() -> None:
    call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    found = contents(user(), call, {"role": "function", "name": "f", "content": "1"})
    assert found[1]["parts"] == [{"functionCall": {"name": "f", "args": {}, "id": "function_1"}}]
    assert found[2]["parts"] == [{"functionResponse": {"name": "f", "response": {"result": 1}, "id": "function_1"}}]


def test_history_free_text_call_becomes_a_function_call() -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "shell", "input": 'echo "x"'}}
    found = contents(user(), assistant(call), result("c", "x"))
    assert found[1]["parts"][0]["functionCall"] == {"name": "shell", "args": {"input": 'echo "x"'}, "id": "c"}


# --- thought signatures

GOOGLE = {"google": {"thought_signature": SIGNATURE}}
DETAIL = {"type": "reasoning.encrypted", "format": "google-gemini-v1", "data": SIGNATURE}
FOREIGN = {"type": "reasoning.encrypted", "format": "anthropic-claude-v1", "data": "Zm9yZWlnbg==", "id": "call_1"}
LONG = "QUJD" * 20


def signatures(message: dict, model: str = "gemini-3-pro-preview") -> list[str | None]:
    ids = [call["id"] for call in message.get("tool_calls") or []]
    found = contents(user(), message, *(result(call_id) for call_id in ids), user(), model=model)
    return [part.get("thoughtSignature") for part in found[1]["parts"]]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (assistant(called(extra_content=GOOGLE), called("b")), [SIGNATURE, None]),
        (assistant(called(), called("b"), reasoning_details=[{**DETAIL, "id": "call_1"}]), [SIGNATURE, None]),
        (assistant(called(), reasoning_details=[DETAIL]), [SIGNATURE]),
        (assistant(called(), extra_content=GOOGLE), [SIGNATURE]),
        (assistant(content="x", extra_content=GOOGLE), [SIGNATURE]),
        (assistant(content="x", reasoning_details=[FOREIGN, DETAIL]), [SIGNATURE]),
        (assistant(called(f"call_1__thought__{LONG}")), [LONG]),
        (assistant(called(f"call_1_ts_{LONG}")), [LONG]),
        (assistant(called("call_ts_abc")), ["skip_thought_signature_validator"]),
        (assistant(called(), called("b")), ["skip_thought_signature_validator", None]),
        (assistant(called(), reasoning_details=[FOREIGN]), ["skip_thought_signature_validator"]),
        (assistant(content="x"), [None]),
    ],
)
def test_history_signature_is_taken_from_every_source(message: dict, expected: list[str | None]) -> None:
    assert signatures(message) == expected


def test_history_missing_signature_is_left_missing_before_gemini_3() -> None:
    assert signatures(assistant(called()), "gemini-2.5-pro") == [None]


def test_history_signature_suffix_is_stripped_from_call_and_result() -> None:
    call_id = f"call_1__thought__{LONG}"
    found = contents(user(), assistant(called(call_id)), result(call_id), model="gemini-3.5-flash")
    assert found[1]["parts"][0]["functionCall"]["id"] == "call_1"
    assert found[2]["parts"][0]["functionResponse"]["id"] == "call_1"


# --- media


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "image_url", "image_url": {"url": PNG}},
            {"inlineData": {"mimeType": "image/png", "data": "aW1hZ2U="}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "YQ==", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "YQ=="}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,cGRm", "filename": "a.pdf"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "cGRm"}},
        ),
        (
            {"type": "file", "file": {"file_data": "eHg=", "filename": "a.csv"}},
            {"inlineData": {"mimeType": "text/csv", "data": "eHg="}},
        ),
        (
            {"type": "file", "file": {"file_id": "files/abc"}},
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "gs://bucket/a.jpg"}},
            {"fileData": {"fileUri": "gs://bucket/a.jpg", "mimeType": "image/jpeg"}},
        ),
        (
            {"type": "video_url", "video_url": {"url": "https://www.youtube.com/watch?v=1"}},
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}},
        ),
        (
            {"type": "video_url", "video_url": {"url": "data:video/mp4;codecs=avc1;base64,dg=="}},
            {"inlineData": {"mimeType": "video/mp4", "data": "dg=="}},
        ),
    ],
)
def test_history_media_travel_inline_or_by_reference(part: dict, expected: dict) -> None:
    assert contents(user([part]))[0]["parts"] == [expected]


@pytest.mark.parametrize(
    ("part", "param", "kind"),
    [
        (
            {"type": "image_url", "image_url": {"url": "http://example.org/a.png"}},
            "image_url.url",
            "unsupported_parameter",
        ),
        (
            {"type": "image_url", "image_url": {"url": "http://youtube.com.evil.example/a"}},
            "image_url.url",
            "unsupported_parameter",
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://example.org/a.gif?as=a.png"}},
            "image_url.url",
            "unsupported_parameter",
        ),
        (
            {"type": "audio_url", "audio_url": {"url": "https://example.org/said"}},
            "audio_url.url",
            "unsupported_parameter",
        ),
        (
            {"type": "file", "file": {"file_data": "https://example.org/a.mp3"}},
            "file.file_data",
            "unsupported_parameter",
        ),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "image_url.url", "unsupported_parameter"),
        ({"type": "image_url", "image_url": {"url": "data:image/png,raw"}}, "image_url.url", "invalid_request"),
        ({"type": "image_url", "image_url": {"url": "data:;base64,eHg="}}, "image_url.url", "invalid_request"),
        ({"type": "file", "file": {"filename": "a.pdf"}}, "file", "invalid_request"),
        ({"type": "file", "file": {"file_id": "file-123"}}, "file.file_id", "unsupported_parameter"),
    ],
)
def test_history_media_that_gemini_cannot_read_are_refused_with_their_path(part: dict, param: str, kind: str) -> None:
    error = refused(user([{"type": "text", "text": "Look:"}, part]))
    assert (error.kind, error.param) == (kind, f"messages[0].content[1].{param}")


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3.5-flash", "gemini-flash-latest"])
def test_history_https_addresses_of_what_google_reads_are_sent_by_reference(model: str) -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png?s=1"}},
        {"type": "file", "file": {"file_data": "https://example.org/a.pdf"}},
        {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/signed?key=1"}},
    ]
    assert sent(model, messages=[user(parts)])["contents"][0]["parts"] == [
        {"fileData": {"fileUri": "https://example.org/a.png?s=1", "mimeType": "image/png"}},
        {"fileData": {"fileUri": "https://example.org/a.pdf", "mimeType": "application/pdf"}},
        {"fileData": {"fileUri": "https://example.org/a.mp4", "mimeType": "video/mp4"}},
        {"fileData": {"fileUri": "https://example.org/signed?key=1", "mimeType": "image/jpeg"}},
    ]


@pytest.mark.parametrize(
    ("model", "options"),
    [("gemini-2.0-flash", {}), ("gemma-3-27b-it", {}), ("gemini-3.5-flash", {"fetch_urls": "false"})],
)
def test_history_web_addresses_are_refused_where_google_reads_none(model: str, options: dict) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    with pytest.raises(ProviderError) as caught:
        sent(model, messages=[user([image])], options=options)
    assert (caught.value.kind, caught.value.param) == (
        "unsupported_parameter",
        "messages[0].content[0].image_url.url",
    )


@pytest.mark.parametrize("url", ["http://example.org/a.png", "https://example.org/a.gif"])
def test_history_any_web_address_is_sent_by_reference_where_the_option_says_so(url: str) -> None:
    image = {"type": "image_url", "image_url": {"url": url}}
    body = sent("gemini-2.0-flash", messages=[user([image])], options={"fetch_urls": "true"})
    assert body["contents"][0]["parts"][0]["fileData"]["fileUri"] == url


def test_history_unknown_value_of_the_option_is_refused() -> None:
    with pytest.raises(ProviderError, match="'fetch_urls'"):
        sent(messages=[user("Hi")], options={"fetch_urls": "maybe"})


def test_history_what_gemini_has_no_place_for_is_named() -> None:
    image = {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}, "cache_control": {"type": "ephemeral"}}
    _, dropped = sent_and_dropped(messages=[user([image], name="eve")])
    assert dropped == ("messages[].name", "cache_control", "messages[].content[].image_url.detail")


def test_history_arguments_keep_their_numbers() -> None:
    arguments = '{"n": 12345678901234567890, "f": 1.10}'
    found = contents(user(), assistant(called(arguments=arguments)), result())
    assert found[1]["parts"][0]["functionCall"]["args"] == json.loads(arguments)
