"""The list of models: where it is asked for, how it is signed, and what of it is offered."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import botocore.loaders
import botocore.model
import pytest

from adapters.bedrock import BedrockAdapter
from adapters.bedrock.listing import MAX_PAGES
from adapters.bedrock.signing import Scope, parse_credentials, sign
from adapters.conformance.case import Played, PlayedResponse, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from adapters.transport import Request
from tests.adapters.bedrock.translate import KEY, call

NOW = datetime(2026, 11, 27, 1, 2, 3, tzinfo=UTC)
ARN = "arn:aws:bedrock:us-east-1::foundation-model/"
MODELS = {
    "modelSummaries": [
        {"modelId": "b.text", "outputModalities": ["TEXT"], "inferenceTypesSupported": ["ON_DEMAND"]},
        {"modelId": "a.embed", "outputModalities": ["EMBEDDING"], "inferenceTypesSupported": ["ON_DEMAND"]},
        {"modelId": "c.image", "outputModalities": ["IMAGE"], "inferenceTypesSupported": ["ON_DEMAND"]},
        {"modelId": "d.later", "outputModalities": ["TEXT"], "inferenceTypesSupported": ["INFERENCE_PROFILE"]},
        {"modelId": "b.text:0:8k", "outputModalities": ["TEXT"], "inferenceTypesSupported": ["PROVISIONED"]},
        {"modelId": "e.unsaid"},
        {"modelName": "nameless"},
    ]
}


def profile(name: str, model: str) -> dict:
    return {"inferenceProfileId": name, "models": [{"modelArn": ARN + model}]}


PAGES = {
    "": {"inferenceProfileSummaries": [profile("us.d.later", "d.later")], "nextToken": "a/b="},
    "a/b=": {"inferenceProfileSummaries": [profile("us.c.image", "c.image"), profile("us.elsewhere", "x.y"), {}]},
}


class Lists(PlayedTransport):
    """Both lists, or an error for one of them."""

    def __init__(self, refuses: str = "", *, endless: bool = False) -> None:
        super().__init__(None)
        self.refuses, self.endless = refuses, endless

    async def send(self, request: Request) -> PlayedResponse:
        self.requests.append(request)
        url = urlsplit(request.url)
        status, answer = 200, MODELS
        if self.refuses and url.path.endswith(self.refuses):
            status, answer = 403, {"message": "User is not authorized to perform: bedrock:ListInferenceProfiles"}
        elif not url.path.endswith("/foundation-models"):
            token = dict(parse_qsl(url.query)).get("nextToken", "")
            answer = {"nextToken": "t"} if self.endless else PAGES[token]
        response = PlayedResponse(Played([json.dumps(answer).encode()], status))
        self.responses.append(response)
        return response


async def test_list_has_what_can_be_called_by_its_id() -> None:
    transport = Lists()
    found = await BedrockAdapter(transport, clock=NOW.timestamp).list_models(call())
    assert found == ("a.embed", "b.text", "e.unsaid", "us.d.later", "us.elsewhere")
    assert transport.all_released


async def test_list_is_asked_of_the_control_plane_with_a_signature_over_the_query() -> None:
    transport = Lists()
    await BedrockAdapter(transport, clock=NOW.timestamp).list_models(call())
    root = "https://bedrock.us-east-1.amazonaws.com"
    profiles = f"{root}/inference-profiles?maxResults=1000&type=SYSTEM_DEFINED"
    assert [one.url for one in transport.requests] == [
        f"{root}/foundation-models", profiles, f"{profiles}&nextToken=a%2Fb%3D",
    ]  # fmt: skip
    credentials = parse_credentials(KEY)
    assert credentials is not None
    for one in transport.requests:
        assert (one.method, one.body) == ("GET", b"")
        scope = Scope(region="us-east-1", service="bedrock")
        signed = sign("GET", one.url, b"", credentials=credentials, scope=scope, at=NOW)
        assert dict(one.headers) == {name.encode(): value.encode() for name, value in signed.items()}


@pytest.mark.parametrize(
    ("base_url", "root"),
    [
        (
            "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
            "https://bedrock-fips.us-gov-west-1.amazonaws.com",
        ),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "https://bedrock.cn-north-1.amazonaws.com.cn"),
        ("https://bedrock-runtime.proxy.example/aws", "https://bedrock-runtime.proxy.example/aws"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
    ],
)
async def test_list_is_asked_where_the_operator_says(base_url: str, root: str) -> None:
    transport = Lists()
    await BedrockAdapter(transport).list_models(call(base_url=base_url))
    assert all(one.url.startswith(f"{root}/") for one in transport.requests)


def test_query_has_the_names_of_the_service_description() -> None:
    document = botocore.loaders.Loader().load_service_model("bedrock", "service-2")
    shape = botocore.model.ServiceModel(document, "bedrock").operation_model("ListInferenceProfiles").input_shape
    names = {member.serialization.get("name") for member in shape.members.values()}
    assert {"maxResults", "nextToken", "type"} <= names


async def test_permission_that_lacks_is_the_providers_own_word() -> None:
    with pytest.raises(ProviderError) as raised:
        await BedrockAdapter(Lists("/inference-profiles")).list_models(call())
    assert raised.value.kind is ErrorKind.CREDENTIALS
    assert "ListInferenceProfiles" in raised.value.message


async def test_list_without_end_is_a_bad_response() -> None:
    transport = Lists(endless=True)
    with pytest.raises(ProviderError) as raised:
        await BedrockAdapter(transport).list_models(call())
    assert raised.value.kind is ErrorKind.BAD_RESPONSE
    assert len(transport.requests) == MAX_PAGES + 1
