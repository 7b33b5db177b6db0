"""Exchanges with the provider: addresses, credentials, errors, and what an answer brings beside its text."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from adapters.base import Deployment, Secret
from adapters.bedrock import BedrockAdapter
from adapters.bedrock.errors import to_error, to_error_inside
from adapters.bedrock.signing import Scope, parse_credentials, sign
from adapters.conformance.case import JSON_HEADERS, Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import Failure
from adapters.http1.request import encode_head, split_url
from adapters.transport import Request
from tests.adapters.bedrock import exchanges
from tests.adapters.bedrock.exchanges import cited, image, text
from tests.adapters.bedrock.frames import event
from tests.adapters.bedrock.translate import CLAUDE, KEY, call, request

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
REQUEST_ID = {**JSON_HEADERS, "x-amzn-requestid": "id-1"}


def adapter(transport: PlayedTransport) -> BedrockAdapter:
    return BedrockAdapter(transport, clock=NOW.timestamp)


async def sent(**changes) -> Request:
    transport = PlayedTransport(Played([exchanges.whole(text("Hi"))]))
    await adapter(transport).chat(request(), call(**changes))
    assert transport.all_released
    return transport.requests[0]


def headers_of(one: Request) -> dict[bytes, bytes]:
    headers = dict(one.headers)
    assert len(headers) == len(one.headers)
    return headers


async def test_chat_signs_with_the_access_key_at_the_time_of_the_clock() -> None:
    one = await sent(credential=Secret(f"{KEY}:token"), headers={"X-Team": "a", "Authorization": "mine"})
    assert one.url == f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{CLAUDE.replace(':', '%3A')}/converse"
    credentials = parse_credentials(f"{KEY}:token")
    assert credentials is not None
    scope = Scope(region="us-east-1", service="bedrock")
    assert headers_of(one) == {
        b"content-type": b"application/json",
        b"x-team": b"a",
        **{
            name.encode(): value.encode()
            for name, value in sign("POST", one.url, one.body, credentials=credentials, scope=scope, at=NOW).items()
        },
    }
    assert headers_of(one)[b"x-amz-date"] == b"20261124T010203Z"


async def test_chat_sends_an_api_key_as_bearer_token() -> None:
    one = await sent(credential=Secret("ABSKQmVkcm9jaw=="))
    assert headers_of(one)[b"authorization"] == b"Bearer ABSKQmVkcm9jaw=="
    assert b"x-amz-date" not in headers_of(one)


@pytest.mark.parametrize(
    ("model", "segment"),
    [
        (
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0",
            "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Feu.amazon.nova-pro-v1%3A0",
        ),
        ("../../foundation-models?x=#y", "..%2F..%2Ffoundation-models%3Fx%3D%23y"),
        ("amazon.titan-text-lite-v1", "amazon.titan-text-lite-v1"),
    ],
)
async def test_chat_keeps_the_model_inside_its_segment_of_the_path(model: str, segment: str) -> None:
    one = await sent(model=model, base_url="https://proxy.example/aws")
    assert one.url == f"https://proxy.example/aws/model/{segment}/converse"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"model": ".."}, ErrorKind.MODEL_NOT_FOUND),
        ({"model": ""}, ErrorKind.MODEL_NOT_FOUND),
        ({"model": "m" * 2049}, ErrorKind.MODEL_NOT_FOUND),
        ({"model": "\ud800"}, ErrorKind.MODEL_NOT_FOUND),
        ({"credential": None}, ErrorKind.CREDENTIALS),
        ({"options": {}}, ErrorKind.SERVER_ERROR),
        ({"options": {"region": "us-east-1.evil.example/"}}, ErrorKind.SERVER_ERROR),
        ({"options": {}, "base_url": "https://proxy.example"}, ErrorKind.CREDENTIALS),
    ],
)
async def test_chat_that_cannot_be_sent_fails_without_a_request(changes: dict, kind: ErrorKind) -> None:
    transport = PlayedTransport(Played([b"{}"]))
    with pytest.raises(ProviderError) as caught:
        await adapter(transport).chat(request(), call(**changes))
    assert caught.value.kind is kind
    assert transport.requests == []


async def test_region_is_read_from_an_address_of_the_provider() -> None:
    one = await sent(options={}, base_url="https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com")
    assert b"/20261124/us-gov-west-1/bedrock/aws4_request" in headers_of(one)[b"authorization"]


async def test_chat_passes_guardrail_stop_sequence_tier_and_router_on() -> None:
    trace = {
        "guardrail": {"modelOutput": ["SECRET"], "actionReason": "masked"},
        "promptRouter": {"invokedModelId": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"},
    }
    body = exchanges.whole(
        text("Hi"),
        stop="guardrail_intervened",
        trace=trace,
        serviceTier={"type": "flex"},
        additionalModelResponseFields={"stop_sequence": "END"},
    )
    transport = PlayedTransport(Played([body], headers=REQUEST_ID))
    result = await adapter(transport).chat(request(), call())
    answer = json.loads(msgspec.json.encode(result.body))
    assert answer["choices"][0]["content_filter_results"] == {"guardrail": {"actionReason": "masked"}}
    assert answer["choices"][0]["stop_reason"] == "END"
    assert answer["choices"][0]["finish_reason"] == "content_filter"
    assert answer["service_tier"] == "flex"
    assert result.upstream_model == "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"
    assert (result.upstream_id, result.native_finish_reason) == ("id-1", "guardrail_intervened")


async def test_usage_totals_include_what_the_cache_read_and_wrote() -> None:
    transport = PlayedTransport(Played([exchanges.whole(text("Hi"))]))
    usage = (await adapter(transport).chat(request(), call())).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (
        20,
        25,
        exchanges.USAGE["totalTokens"],
    )
    assert (usage.cached_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens) == (4, 6, 2)
    assert json.loads(bytes(usage.raw)) == exchanges.USAGE


async def test_citations_of_web_pages_become_annotations_where_they_stand() -> None:
    body = exchanges.whole(text("It is "), cited("sunny.", "https://ulm.example/a"), cited("No.", "s3://x"))
    transport = PlayedTransport(Played([body]))
    message = (await adapter(transport).chat(request(), call())).body.choices[0].message
    assert message.content == "It is sunny.No."
    assert json.loads(msgspec.json.encode(message.annotations)) == [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": 6,
                "end_index": 12,
                "title": "ulm.example",
                "url": "https://ulm.example/a",
            },
        }
    ]


async def test_citation_holds_the_passage_that_it_quotes() -> None:
    block = cited("Sunny.", "https://ulm.example/a")
    block["citationsContent"]["citations"][0]["sourceContent"] = [{"text": "Sun "}, {"text": "all day."}]
    result = await adapter(PlayedTransport(Played([exchanges.whole(block)]))).chat(request(), call())
    stream = await adapter(PlayedTransport(Played([exchanges.stream(block)]))).chat_stream(request(), call())
    notes = [note async for some in stream for chunk in some for note in chunk.choices[0].delta.annotations or ()]
    for found in (result.body.choices[0].message.annotations, notes):
        assert [note.url_citation.content for note in found] == ["Sun all day."]


@pytest.mark.parametrize("stop", ["malformed_model_output", "malformed_tool_use"])
async def test_malformed_output_is_an_upstream_error_streamed_and_not(stop: str) -> None:
    whole = PlayedTransport(Played([exchanges.whole(text("Hi"), stop=stop)]))
    with pytest.raises(ProviderError) as caught:
        await adapter(whole).chat(request(), call())
    assert caught.value.kind is ErrorKind.SERVER_ERROR
    stream = await adapter(PlayedTransport(Played([exchanges.stream(text("Hi"), stop=stop)]))).chat_stream(
        request(), call()
    )
    with pytest.raises(ProviderError) as caught:
        _ = [chunks async for chunks in stream]
    assert (caught.value.kind, caught.value.code) == (ErrorKind.SERVER_ERROR, stop)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("internalServerException", ErrorKind.SERVER_ERROR),
        ("modelStreamErrorException", ErrorKind.SERVER_ERROR),
        ("serviceUnavailableException", ErrorKind.OVERLOADED),
        ("throttlingException", ErrorKind.RATE_LIMIT),
        ("modelTimeoutException", ErrorKind.TIMEOUT),
        ("validationException", ErrorKind.INVALID_REQUEST),
        ("sunsetException", ErrorKind.SERVER_ERROR),
    ],
)
async def test_stream_ends_with_an_exception_after_the_chunks_before_it(name: str, kind: ErrorKind) -> None:
    frames = exchanges.stream(text("Hello"))[: -len(event(*exchanges.events()[-1]))]
    data = frames + event(name, {"message": "no", "originalStatusCode": 500}, "exception")
    transport = PlayedTransport(Played([data], headers=REQUEST_ID))
    stream = await adapter(transport).chat_stream(request(), call())
    said = "".join(chunk.choices[0].delta.content or "" for chunk in await anext(aiter(stream)))
    with pytest.raises(ProviderError) as caught:
        await anext(aiter(stream))
    await stream.aclose()
    assert said == "Hello"
    assert (caught.value.kind, caught.value.code) == (kind, name)
    assert caught.value.upstream_request_id == "id-1"
    assert not stream.finished
    assert transport.all_released


async def test_stream_without_metadata_is_whole_and_has_no_usage() -> None:
    data = exchanges.stream(text("Hello"))[: -len(event(*exchanges.events()[-1]))]
    stream = await adapter(PlayedTransport(Played([data]))).chat_stream(request(), call())
    chunks = [chunk async for some in stream for chunk in some]
    assert stream.finished
    assert stream.usage is None
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (403, "AccessDeniedException", "You don't have access", ErrorKind.CREDENTIALS),
        (403, "UnrecognizedClientException", "The security token is invalid", ErrorKind.CREDENTIALS),
        (400, "ExpiredTokenException", "expired", ErrorKind.CREDENTIALS),
        (404, "ResourceNotFoundException", "end of its life", ErrorKind.MODEL_NOT_FOUND),
        (429, "ThrottlingException", "Too many requests", ErrorKind.RATE_LIMIT),
        (400, "ServiceQuotaExceededException", "quota", ErrorKind.RATE_LIMIT),
        (429, "ModelNotReadyException", "not ready", ErrorKind.OVERLOADED),
        (408, "ModelTimeoutException", "too long", ErrorKind.TIMEOUT),
        (424, "ModelErrorException", "failed", ErrorKind.SERVER_ERROR),
        (424, "", "failed", ErrorKind.SERVER_ERROR),
        (500, "InternalServerException", "failed", ErrorKind.SERVER_ERROR),
        (503, "ServiceUnavailableException", "down", ErrorKind.OVERLOADED),
        (400, "ValidationException", "Malformed input request", ErrorKind.INVALID_REQUEST),
        (400, "ValidationException", "The provided model identifier is invalid.", ErrorKind.MODEL_NOT_FOUND),
        (400, "ValidationException", "Invocation with on-demand throughput isn't supported", ErrorKind.MODEL_NOT_FOUND),
        (400, "ValidationException", "Input is too long for requested model.", ErrorKind.CONTEXT_LENGTH),
        (
            400,
            "ValidationException",
            "The model returned the following errors: prompt is too long: 227255 tokens > 200000 maximum",
            ErrorKind.CONTEXT_LENGTH,
        ),
    ],
)
def test_error_has_the_kind_of_its_exception(status: int, code: str, message: str, kind: ErrorKind) -> None:
    headers = {"x-amzn-errortype": f"{code}:http://internal.amazon.com/coral/com.amazon.bedrock/"} if code else {}
    for failure in (
        Failure(status, headers, json.dumps({"message": message}).encode()),
        Failure(status, {}, json.dumps({"Message": message, "__type": f"com.amazon#{code}"}).encode()),
    ):
        error = to_error(failure)
        assert (error.kind, error.message, error.code or "") == (kind, message, code)
        assert error.param == ("messages" if kind is ErrorKind.CONTEXT_LENGTH else None)


@pytest.mark.parametrize("streamed", [False, True])
async def test_images_that_the_model_made_reach_the_client(streamed: bool) -> None:
    blocks = (text("Here."), image(b"ulm-by-day"), image(b"ulm-by-night", "jpeg"))
    if streamed:
        stream = await adapter(PlayedTransport(Played([exchanges.stream(*blocks)]))).chat_stream(request(), call())
        found = [one async for some in stream for chunk in some for one in chunk.choices[0].delta.images or ()]
    else:
        result = await adapter(PlayedTransport(Played([exchanges.whole(*blocks)]))).chat(request(), call())
        found = result.body.choices[0].message.images or []
    assert [(one.index, one.image_url.url) for one in found] == [
        (0, "data:image/png;base64,dWxtLWJ5LWRheQ=="),
        (1, "data:image/jpeg;base64,dWxtLWJ5LW5pZ2h0"),
    ]


async def test_image_of_a_stream_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.held.MAX_HELD", 10)
    stream = await adapter(PlayedTransport(Played([exchanges.stream(image(b"ulm-by-day"))]))).chat_stream(
        request(), call()
    )
    with pytest.raises(ProviderError) as caught:
        _ = [chunks async for chunks in stream]
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


async def test_image_of_a_stream_that_is_no_base64_is_a_bad_response() -> None:
    delta = {"contentBlockIndex": 0, "delta": {"image": {"source": {"bytes": "Ü"}}}}
    data = 2 * event("contentBlockDelta", delta) + event("contentBlockStop", {"contentBlockIndex": 0})
    stream = await adapter(PlayedTransport(Played([data]))).chat_stream(request(), call())
    with pytest.raises(ProviderError) as caught:
        _ = [chunks async for chunks in stream]
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_error_of_the_model_behind_is_told_in_its_own_words() -> None:
    body = {"message": "Something failed.", "originalStatusCode": 400, "originalMessage": "The image is too dark."}
    error = to_error(Failure(424, {"x-amzn-errortype": "ModelErrorException"}, json.dumps(body).encode()))
    inside = to_error_inside("modelStreamErrorException", json.dumps(body).encode(), None)
    for one in (error, inside):
        assert (one.kind, one.message) == (ErrorKind.SERVER_ERROR, "Something failed. The image is too dark.")


async def test_error_under_200_is_an_error() -> None:
    body = b'{"message":"Too many requests"}'
    headers = {**JSON_HEADERS, "x-amzn-errortype": "ThrottlingException"}
    with pytest.raises(ProviderError) as caught:
        await adapter(PlayedTransport(Played([body], headers=headers))).chat(request(), call())
    assert caught.value.kind is ErrorKind.RATE_LIMIT


def test_deployment_never_shows_its_key() -> None:
    assert KEY not in repr(Deployment(**msgspec.structs.asdict(call().deployment)))


async def test_signature_covers_the_host_header_that_the_http_client_sends() -> None:
    one = await sent(base_url="https://proxy.example:8443/aws")
    origin, host, target = split_url(one.url)
    head = encode_head(one, host, target).decode()
    assert (origin.port, host) == (8443, b"proxy.example:8443")
    assert head.startswith(f"POST /aws/model/{CLAUDE.replace(':', '%3A')}/converse HTTP/1.1\r\n")
    assert "SignedHeaders=host;x-amz-date, Signature=" in head
    credentials = parse_credentials(KEY)
    assert credentials is not None
    scope = Scope(region="us-east-1", service="bedrock")
    url = f"https://{host.decode()}{target.decode()}"
    assert sign("POST", url, one.body, credentials=credentials, scope=scope, at=NOW)["authorization"] in head
