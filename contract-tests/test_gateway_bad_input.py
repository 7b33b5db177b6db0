"""Requests that are wrong: the error that names what to do, in the one form, and never a 500."""

import json

import pytest
from raw_http import Answer, Connection, ask, request_bytes
from running_gateway import TOKEN, RunningGateway

CHAT = "/v1/chat/completions"
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}


def post(gateway: RunningGateway, body: object, path: str = CHAT) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(gateway.port, request_bytes(path, data, token=TOKEN))


SCHEMA_NOT_UTF8 = (
    b'{"model":"echo","messages":[{"role":"user","content":"x"}],'
    b'"tools":[{"type":"function","function":{"name":"f","parameters":{"a":"\xff"}}}]}'
)
WITH = b'{"model":"echo","messages":[{"role":"user","content":"x"}],%b}'
LEVELS = b"[" * 10_000 + b"]" * 10_000
SCHEMA = b'"tools":[{"type":"function","function":{"name":"f","parameters":{"a":%b}}}]'
BAD_BODIES: list[tuple[str, object, str, str | None]] = [
    ("no json", b"{", "invalid_json", None),
    ("empty", b"", "invalid_json", None),
    ("not utf-8", b'{"model":"echo","messages":[{"role":"user","content":"\xff"}]}', "invalid_json", None),
    ("not utf-8 in a schema", SCHEMA_NOT_UTF8, "invalid_json", None),
    ("too deep", b"[" * 100_000, "invalid_type", None),
    ("too deep in a schema", b'{"model":"echo","messages":[],"metadata":' + b"[" * 100_000, "invalid_type", "metadata"),
    ("truncated after an unknown field", b'{"zzz":1,"model":"echo","messages":[', "invalid_json", None),
    ("too deep in an unknown field", b'{"zzz":' + b"[" * 100_000, "invalid_json", None),
    ("lone surrogate", b'{"model":"echo","messages":[{"role":"user","content":"\\ud800"}]}', "invalid_json", None),
    ("10,000 levels", WITH % (b'"zzz":' + LEVELS), "invalid_json", None),
    ("10,000 levels in a schema", WITH % (SCHEMA % LEVELS), "invalid_json", None),
    ("no number", WITH % b'"temperature":NaN', "invalid_json", None),
    ("infinity", WITH % b'"temperature":-Infinity', "invalid_json", None),
    ("number out of range", WITH % b'"temperature":1e999', "invalid_value", "temperature"),
    ("whole number as a float", WITH % b'"max_tokens":1e30', "invalid_type", "max_tokens"),
    ("byte order mark", b"\xef\xbb\xbf{}", "invalid_json", None),
    ("utf-16", json.dumps(HELLO).encode("utf-16"), "invalid_json", None),
    ("two values", WITH % b'"seed":1' + b"{}", "invalid_json", None),
    ("trailing comma", WITH % b'"seed":1,', "invalid_json", None),
    ("control character", WITH % b'"user":"a\x01"', "invalid_json", None),
    ("lone surrogate in an unknown field", WITH % b'"zzz":"\\ud83d"', "invalid_json", None),
    ("lone surrogate in a name", WITH % b'"\\ud83d":1', "invalid_json", None),
    ("null", b"null", "invalid_type", None),
    ("array", [], "invalid_type", None),
    ("no model", {"messages": []}, "missing_required_parameter", "model"),
    ("no messages", {"model": "echo"}, "missing_required_parameter", "messages"),
    ("empty messages", {"model": "echo", "messages": []}, "invalid_value", "messages"),
    ("model no text", {**HELLO, "model": 1}, "invalid_type", "model"),
    ("temperature no number", {**HELLO, "temperature": "hot"}, "invalid_type", "temperature"),
    ("stream no bool", {**HELLO, "stream": "yes"}, "invalid_type", "stream"),
    ("unknown role", {"model": "echo", "messages": [{"role": "robot", "content": "x"}]}, "invalid_value",
     "messages[0].role"),
    ("no role", {"model": "echo", "messages": [{"content": "x"}]}, "missing_required_parameter", "messages[0].role"),
    ("unknown part", {"model": "echo", "messages": [{"role": "user", "content": [{"type": "hologram"}]}]},
     "invalid_value", "messages[0].content[0].type"),
    ("part without text", {"model": "echo", "messages": [{"role": "user", "content": [{"type": "text"}]}]},
     "missing_required_parameter", "messages[0].content[0].text"),
    ("tool call without id", {"model": "echo", "messages": [
        {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]}]},
     "missing_required_parameter", "messages[0].tool_calls[0].id"),
    ("schema no object", {**HELLO, "tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]},
     "invalid_type", "tools[0].function.parameters"),
    ("unknown effort", {**HELLO, "reasoning_effort": "heroic"}, "invalid_value", "reasoning_effort"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "param"), [row[1:] for row in BAD_BODIES], ids=[row[0] for row in BAD_BODIES])
def test_chat_bad_body_is_a_400_that_names_the_field(
    gateway: RunningGateway, body: object, code: str, param: str | None
) -> None:
    answer = post(gateway, body)

    assert answer.status == 400
    error = answer.error()
    assert (error["code"], error["param"]) == (code, param), error
    assert error["type"] == "invalid_request_error"
    assert len(answer.headers["x-request-id"]) == 36


def test_byte_order_mark_is_named(gateway: RunningGateway) -> None:
    answer = post(gateway, b"\xef\xbb\xbf" + json.dumps(HELLO).encode())

    assert (answer.status, answer.error()["code"]) == (400, "invalid_json")
    assert "byte order mark" in str(answer.error()["message"])


def test_of_a_name_that_is_given_twice_the_last_value_counts(gateway: RunningGateway) -> None:
    hidden = post(gateway, WITH % b'"model":"hidden"')
    served = post(gateway, b'{"model":"hidden",' + json.dumps(HELLO).encode()[1:])

    assert (hidden.status, served.status) == (404, 200)
    assert served.json()["model"] == served.headers["x-aqueduct-model"] == "echo"


def test_unknown_model_is_hidden_like_one_that_is_not_granted(gateway: RunningGateway) -> None:
    missing = post(gateway, {**HELLO, "model": "no-such-model"})
    hidden = post(gateway, {**HELLO, "model": "hidden"})

    assert missing.status == hidden.status == 404
    assert missing.error()["code"] == hidden.error()["code"] == "model_not_found"
    assert str(missing.error()["message"]).replace("no-such-model", "hidden") == hidden.error()["message"]


def test_model_that_cannot_do_the_operation_is_a_400(gateway: RunningGateway) -> None:
    answer = post(gateway, {"model": "claude", "input": "x"}, "/v1/embeddings")

    assert answer.status == 400
    assert (answer.error()["code"], answer.error()["param"]) == ("unsupported_operation", "model")


def test_unknown_parameter_of_a_strict_model_is_refused_by_name(gateway: RunningGateway) -> None:
    answer = post(gateway, {**HELLO, "model": "strict", "frobnicate": 1})

    assert answer.status == 400
    assert (answer.error()["code"], answer.error()["param"]) == ("unsupported_parameter", "frobnicate")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("authorization", "Bearer "),),
        (("authorization", "Basic dXNlcjpwYXNz"),),
        (("authorization", f"Bearer {TOKEN}x"),),
        (("authorization", "Bearer ' OR 1=1 --"),),
        (("authorization", "Bearer " + "a" * 10_000),),
        (("authorization", "Bearer t\xf6ken"),),
        (("authorization", f"Bearer {TOKEN}"), ("x-api-key", "another")),
        (("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer another")),
        (("x-api-key", ""),),
    ],
)
def test_bad_credentials_get_one_constant_401(gateway: RunningGateway, headers: tuple[tuple[str, str], ...]) -> None:
    answer = ask(gateway.port, request_bytes(CHAT, json.dumps(HELLO).encode(), headers=headers))

    assert answer.status == 401
    error = answer.error()
    assert error["code"] == "invalid_api_key"
    assert error["message"] == (
        "Invalid or missing API key. Send the token of your gateway as 'Authorization: Bearer TOKEN', and only one."
    )
    assert TOKEN not in answer.body.decode("latin-1")


@pytest.mark.parametrize(
    "header",
    [("authorization", f"bearer {TOKEN}"), ("x-api-key", TOKEN), ("api-key", TOKEN), ("x-goog-api-key", TOKEN)],
)
def test_the_token_is_taken_from_every_sdks_header(gateway: RunningGateway, header: tuple[str, str]) -> None:
    repeated = (header, header)

    answer = ask(gateway.port, request_bytes(CHAT, json.dumps(HELLO).encode(), headers=repeated))

    assert answer.status == 200


@pytest.mark.parametrize("header", ["authorization", "X-API-Key", "api-key", "x-goog-api-key"])
@pytest.mark.parametrize("token", ["a\0b", f"{TOKEN}\0", "\0"])
def test_nul_in_a_token_gets_the_one_constant_401(gateway: RunningGateway, header: str, token: str) -> None:
    value = f"Bearer {token}" if header == "authorization" else token
    wrong = ask(gateway.port, request_bytes(CHAT, b"{}", headers=((header, "nobody"),)))

    answer = ask(gateway.port, request_bytes(CHAT, b"{}", headers=((header, value),)))

    assert (answer.status, answer.body) == (401, wrong.body)
    assert answer.headers["www-authenticate"] == wrong.headers["www-authenticate"]


def test_nul_in_another_header_is_a_400_in_the_one_form(gateway: RunningGateway) -> None:
    headers = (("authorization", f"Bearer {TOKEN}"), ("x-note", "authorization: a\0b"))
    answer = ask(gateway.port, request_bytes(CHAT, b"{}", headers=headers))

    assert answer.status == 400
    assert answer.error()["code"] == "invalid_http"


def test_body_that_declares_too_much_is_a_413_before_it_is_read(gateway: RunningGateway) -> None:
    size = gateway.settings.max_body_bytes + 1
    head = request_bytes(CHAT, token=TOKEN, headers=(("content-length", str(size)),), method="POST").replace(
        b"content-length: 0\r\n", b""
    )

    answer = ask(gateway.port, head)

    assert answer.status == 413
    assert answer.error()["code"] == "request_too_large"


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/xml"])
def test_body_that_is_not_declared_as_json_is_a_415(gateway: RunningGateway, content_type: str) -> None:
    answer = ask(gateway.port, request_bytes(CHAT, b"{}", token=TOKEN, content_type=content_type))

    assert answer.status == 415
    assert answer.error()["code"] == "unsupported_media_type"


def test_compressed_body_is_a_415(gateway: RunningGateway) -> None:
    answer = ask(gateway.port, request_bytes(CHAT, b"{}", token=TOKEN, headers=(("content-encoding", "gzip"),)))

    assert answer.status == 415


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", CHAT, 405),
        ("PUT", CHAT, 405),
        ("DELETE", "/v1/models", 405),
        ("GET", "/v1/nothing", 404),
        ("POST", "/", 404),
    ],
)
def test_wrong_method_or_path_is_told_in_the_one_form(
    gateway: RunningGateway, method: str, path: str, status: int
) -> None:
    answer = ask(gateway.port, request_bytes(path, token=TOKEN, method=method))

    assert answer.status == status
    assert answer.error()["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"]


def test_garbage_instead_of_http_is_a_400_in_the_one_form(gateway: RunningGateway) -> None:
    answer = ask(gateway.port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n")

    assert answer.status == 400
    assert answer.error()["code"] == "invalid_http"


def test_request_head_without_end_is_refused_before_it_fills_memory(gateway: RunningGateway) -> None:
    with Connection(gateway.port) as connection:
        connection.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
        for number in range(40):
            connection.send(b"x-filler-%d: %b\r\n" % (number, b"a" * 2000))
        answer = connection.answer()

    assert answer.status == 431
    assert answer.error()["code"] == "headers_too_large"


@pytest.mark.parametrize("path", [CHAT, "/v1/models"])
@pytest.mark.parametrize("kept_alive", [False, True])
def test_request_head_that_arrives_at_once_is_held_to_its_bound(
    gateway: RunningGateway, path: str, *, kept_alive: bool
) -> None:
    fits, does_not = (
        request_bytes(path, json.dumps(HELLO).encode(), token=TOKEN, headers=(("x-filler", "a" * size),))
        for size in (64_000, 65_536)
    )
    with Connection(gateway.port) as connection:
        if kept_alive:
            connection.send(fits)
            assert connection.answer().status != 431
        connection.send(does_not)
        answer = connection.answer()

    assert (answer.status, answer.error()["code"]) == (431, "headers_too_large")


def test_url_that_is_larger_than_a_head_may_be_is_told_so(gateway: RunningGateway) -> None:
    answer = ask(gateway.port, request_bytes("/v1/" + "a" * 70_000, token=TOKEN, method="GET"))

    assert (answer.status, answer.error()["code"]) == (431, "headers_too_large")


def test_large_body_in_one_read_with_its_head_is_no_large_head(gateway: RunningGateway) -> None:
    large = {**HELLO, "messages": [{"role": "user", "content": "a" * 150_000}]}

    assert ask(gateway.port, request_bytes(CHAT, json.dumps(large).encode(), token=TOKEN)).status == 200


def test_empty_body_is_told_as_such(gateway: RunningGateway) -> None:
    answer = ask(gateway.port, request_bytes(CHAT, b"", token=TOKEN))

    assert answer.error()["message"] == "The request body is empty; send the request as JSON."


def test_operation_that_a_model_cannot_do_names_those_it_can(gateway: RunningGateway) -> None:
    body = json.dumps({"model": "claude", "prompt": "Once"}).encode()
    answer = ask(gateway.port, request_bytes("/v1/completions", body, token=TOKEN))

    assert (answer.status, answer.error()["param"]) == (400, "model")
    assert answer.error()["message"] == "The model 'claude' does not support completions; it supports chat."


def test_path_that_does_not_exist_is_told_with_where_to_look(gateway: RunningGateway) -> None:
    answer = ask(gateway.port, request_bytes("/v1/responses", b"{}", token=TOKEN))

    assert answer.error()["message"] == (
        "Unknown request URL: POST /v1/responses. GET /schema lists what this gateway has."
    )


def test_chunked_request_body_is_taken(gateway: RunningGateway) -> None:
    body = json.dumps(HELLO).encode()
    chunked = b"".join(b"%x\r\n%b\r\n" % (1, body[i : i + 1]) for i in range(len(body))) + b"0\r\n\r\n"
    head = request_bytes(CHAT, token=TOKEN, headers=(("transfer-encoding", "chunked"),))

    assert ask(gateway.port, head + chunked).status == 200


def test_offer_to_speak_http2_is_passed_over_and_the_body_is_read(gateway: RunningGateway) -> None:
    offer = (("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAEAAEAAAAIAAAAB"))

    answer = ask(gateway.port, request_bytes(CHAT, json.dumps(HELLO).encode(), token=TOKEN, headers=offer))

    assert answer.status == 200
