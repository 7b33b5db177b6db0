"""The stage that puts content in the place of addresses: for which parts, which providers, and what it refuses."""

import asyncio
import json

import msgspec
import pytest

from adapters.base import Call, Deployment
from adapters.errors import ErrorKind, ProviderError
from adapters.media import WebAddress
from aqueduct.api import errors as wire
from aqueduct.media.fetch import Bounds, Budget, Content, FetchError
from aqueduct.pipeline.media import MAX_PARTS, ChatWithContents
from schemas.chat_request import ChatRequest

SECRET_URL = "https://files.example/a.png?secret=canary"
IMAGE = {"type": "image_url", "image_url": {"url": SECRET_URL, "detail": "high"}}
READ_THERE = {"type": "image_url", "image_url": {"url": "https://provider.example/known"}}
INLINE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
FILE = {"type": "file", "file": {"file_data": "https://files.example/a.pdf", "filename": "a.pdf"}}
VIDEO = {"type": "video_url", "video_url": {"url": "https://files.example/a.mp4"}}


class Provider:
    """An adapter that reads its own addresses alone, and notes what it is asked."""

    def __init__(self) -> None:
        self.requests: list[ChatRequest] = []

    async def chat(self, request: ChatRequest, call: Call):
        del call
        self.requests.append(request)

    async def chat_stream(self, request: ChatRequest, call: Call):
        del call
        self.requests.append(request)

    def needs_content(self, address: WebAddress, call: Call) -> bool:
        del call
        return "provider.example" not in address.url


class Web:
    """Content for each address, or the failure that the test sets."""

    def __init__(self, failure: FetchError | None = None) -> None:
        self.bounds = Bounds(max_bytes=1000)
        self.fetched: list[tuple[str, str]] = []
        self.budgets: set[Budget] = set()
        self._failure = failure

    async def fetch(self, url: str, kind: str, budget: Budget) -> Content:
        self.fetched.append((url, kind))
        self.budgets.add(budget)
        if self._failure is not None and url == SECRET_URL:
            raise self._failure
        return Content(f"{kind}/x", b"content")


async def sent(
    *messages: dict, web: Web | None = None, scope="all", options: dict | None = None, model=None, stream=False
) -> dict:
    """The request that reaches the provider, as JSON."""
    names = {"id": "d", "model": "m", "provider": "p", "adapter": "a", "upstream_model": "u"}
    deployment = Deployment(**names, options=options or {}, fetch_media=model)
    call = Call(deployment=deployment, request_id="r", deadline=asyncio.get_running_loop().time() + 30)
    document = json.dumps({"model": "m", "messages": messages})
    provider = Provider()
    chat = ChatWithContents(provider, web or Web(), scope)
    request = msgspec.json.decode(document, type=ChatRequest)
    await (chat.chat_stream if stream else chat.chat)(request, call)
    return json.loads(msgspec.json.encode(provider.requests[0]))


def user(*parts: dict) -> dict:
    return {"role": "user", "content": [{"type": "text", "text": "Look:"}, *parts]}


@pytest.mark.parametrize("stream", [False, True])
async def test_stage_fills_what_the_provider_does_not_read_and_nothing_else(stream: bool) -> None:
    web = Web()
    made = await sent(
        user(IMAGE, READ_THERE, INLINE, FILE, VIDEO),
        {"role": "assistant", "content": "Here:", "images": [IMAGE]},
        {"role": "tool", "tool_call_id": "c", "content": [IMAGE]},
        web=web,
        stream=stream,
    )
    parts = made["messages"][0]["content"]
    image = "data:image/x;base64,Y29udGVudA=="
    assert parts[1]["image_url"] == {"url": image, "detail": "high"}
    assert parts[2:4] == [READ_THERE, INLINE]
    assert parts[4]["file"] == {"file_data": "data:file/x;base64,Y29udGVudA==", "filename": "a.pdf"}
    assert parts[5]["video_url"]["url"] == "data:video/x;base64,Y29udGVudA=="
    assert made["messages"][1]["images"][0]["image_url"]["url"] == image
    assert made["messages"][2]["content"][0]["image_url"]["url"] == image
    assert sorted(kind for _, kind in web.fetched) == ["file", "image", "image", "image", "video"]
    assert len(web.budgets) == 1


@pytest.mark.parametrize(
    ("scope", "option", "model", "is_fetched"),
    [
        ("all", None, None, True),
        ("all", "false", None, False),
        ("all", "true", None, True),
        ("providers", None, None, False),
        ("providers", "true", None, True),
        ("providers", "yes", None, False),
        ("all", None, False, False),
        ("all", "false", True, True),
        ("providers", "true", False, False),
        ("providers", None, True, True),
    ],
)
async def test_stage_works_for_the_providers_and_models_that_the_operator_wants(
    scope, option, model, is_fetched: bool
) -> None:
    web = Web()
    options = {"fetch_media": option} if option else {}
    made = await sent(user(IMAGE), web=web, scope=scope, options=options, model=model)
    assert bool(web.fetched) is is_fetched
    assert (made["messages"][0]["content"][1] == IMAGE) is not is_fetched


async def test_stage_that_has_nothing_to_do_passes_the_request_on_as_it_is() -> None:
    web = Web()
    await sent({"role": "user", "content": "https://files.example/a.png"}, user(READ_THERE, INLINE), web=web)
    assert web.fetched == []


async def test_failure_names_the_part_and_never_the_address() -> None:
    with pytest.raises(ProviderError) as caught:
        await sent(user(INLINE, IMAGE, FILE), web=Web(FetchError("It is too large.")))
    error = caught.value
    assert (error.kind, error.param) == (ErrorKind.INVALID_REQUEST, "messages[0].content[2].image_url.url")
    told = wire.from_provider(error)
    assert (told.status, told.body.error.code) == (400, "media_not_fetched")
    assert told.body.error.message == (
        "The content at the address in 'messages[0].content[2].image_url.url' cannot be used. It is too large."
    )


async def test_gateway_without_room_is_not_the_callers_fault() -> None:
    with pytest.raises(ProviderError) as caught:
        await sent(user(IMAGE), web=Web(FetchError("Busy.", is_busy=True)))
    assert wire.from_provider(caught.value).status == 503


async def test_too_many_addresses_are_refused_before_any_is_fetched() -> None:
    web = Web()
    with pytest.raises(ProviderError) as caught:
        await sent(user(*[IMAGE] * (MAX_PARTS + 1)), web=web)
    assert caught.value.param == f"messages[0].content[{MAX_PARTS + 1}].image_url.url"
    assert web.fetched == []
