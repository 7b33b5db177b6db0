"""No address reaches a server that must read none, and none of its own disk (trap 24)."""

import json

import msgspec
import pytest

from adapters.base import Call, Deployment, Secret
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from adapters.media import WebAddress
from adapters.openai_compatible import OpenAICompatibleAdapter
from schemas.chat_request import ChatRequest
from tests.adapters.test_parameters import OPENAI

INSIDE = "http://169.254.169.254/latest/meta-data/"
PARTS = {
    "image_url": {"type": "image_url", "image_url": {"url": INSIDE}},
    "video_url": {"type": "video_url", "video_url": {"url": INSIDE}},
    "audio_url": {"type": "audio_url", "audio_url": {"url": INSIDE}},
}


def call_of(**options: str) -> Call:
    deployment = Deployment(
        id="d",
        model="public",
        provider="p",
        adapter="openai_compatible",
        upstream_model="m",
        base_url="http://vllm.internal:8000/v1",
        quirks="vllm",
        credential=Secret("k"),
        options=options,
    )
    return Call(deployment=deployment, request_id="r", deadline=1e12)


async def ask(part: dict, call: Call) -> str:
    """The body that is sent."""
    transport = PlayedTransport(Played([json.dumps(OPENAI).encode()]))
    document = {"model": "public", "messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, part]}]}
    request = msgspec.json.decode(json.dumps(document), type=ChatRequest)
    await OpenAICompatibleAdapter(transport).chat(request, call)
    return transport.requests[-1].body.decode()


@pytest.mark.parametrize("name", PARTS)
async def test_address_is_the_servers_to_read_unless_the_operator_says_no(name: str) -> None:
    assert INSIDE in await ask(PARTS[name], call_of())
    with pytest.raises(ProviderError) as raised:
        await ask(PARTS[name], call_of(fetch_urls="false"))
    assert raised.value.kind is ErrorKind.UNSUPPORTED_PARAMETER
    assert raised.value.param == f"messages[0].content[1].{name}.url"
    assert "169.254" not in raised.value.message


@pytest.mark.parametrize("kind", ["image", "video", "audio", "file"])
def test_gateway_is_asked_for_the_content_of_every_kind_where_the_server_reads_none(kind: str) -> None:
    address = WebAddress("messages[0].content[1]", kind, INSIDE)  # type: ignore[arg-type] - one of the kinds
    adapter = OpenAICompatibleAdapter(PlayedTransport(Played([])))
    assert adapter.needs_content(address, call_of(fetch_urls="false"))
    assert adapter.needs_content(address, call_of()) == (kind == "file")


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("url", ["file:///etc/passwd", " FILE:/etc/passwd"])
async def test_file_of_the_servers_disk_is_refused(name: str, url: str) -> None:
    with pytest.raises(ProviderError) as raised:
        await ask({"type": name, name: {"url": url}}, call_of())
    assert (raised.value.kind, raised.value.param) == (
        ErrorKind.INVALID_REQUEST,
        f"messages[0].content[1].{name}.url",
    )


async def test_option_that_makes_no_sense_is_the_deployments_fault() -> None:
    with pytest.raises(ProviderError) as raised:
        await ask(PARTS["image_url"], call_of(fetch_urls="maybe"))
    assert raised.value.kind is ErrorKind.MODEL_NOT_FOUND
