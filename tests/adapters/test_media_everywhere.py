"""Every kind of part, in every place of a conversation, to every adapter: carried, or refused with its JSON path.

What is sent is captured at the transport. "Carried" is judged by the payload alone: its base64, its text or its
address stands in the body. So nothing can be lost in silence, whatever an adapter makes of it (traps 17 and 24).
"""

import asyncio
import base64
import json

import msgspec
import pytest

from adapters.base import Call, Deployment, Secret, SupportsChat
from adapters.errors import ErrorKind, ProviderError
from adapters.registry import build
from adapters.transport import Request, Transport, UpstreamResponse
from schemas.chat_request import ChatRequest
from tests.adapters.provider_types import ACCEPT, accept

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n-picture-canary").decode()
PDF = base64.b64encode(b"%PDF-1.7 document-canary").decode()
TEXT = base64.b64encode(b"text-canary!").decode()
SOUND = base64.b64encode(b"RIFF-sound-canary--").decode()
FILM = base64.b64encode(b"film-canary-").decode()

PARTS: dict[str, tuple[dict, str]] = {
    "image as data URL": ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}, PNG),
    "image with detail": (
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "high"}},
        PNG,
    ),
    "image at an address": ({"type": "image_url", "image_url": {"url": "https://i.example/a.png"}}, "i.example/a.png"),
    "PDF as data URL": (
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
        PDF,
    ),
    "PDF at an address": ({"type": "file", "file": {"file_data": "https://i.example/a.pdf"}}, "i.example/a.pdf"),
    "text file": (
        {
            "type": "file",
            "file": {"file_data": f"data:text/plain;base64,{TEXT}"},
        },
        TEXT,
    ),
    "uploaded file": ({"type": "file", "file": {"file_id": "file-canary"}}, "file-canary"),
    "audio": ({"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}}, SOUND),
    "audio as data URL": ({"type": "audio_url", "audio_url": {"url": f"data:audio/wav;base64,{SOUND}"}}, SOUND),
    "audio at an address": ({"type": "audio_url", "audio_url": {"url": "https://i.example/a.wav"}}, "i.example/a.wav"),
    "video as data URL": ({"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{FILM}"}}, FILM),
    "video at an address": ({"type": "video_url", "video_url": {"url": "https://i.example/a.mp4"}}, "i.example/a.mp4"),
}
# (adapter, upstream model, further fields of the deployment)
ADAPTERS: dict[str, tuple[str, str, dict]] = {
    "openai": ("openai", "gpt-5", {}),
    "azure_openai": ("azure_openai", "gpt-5", {"base_url": "https://r.openai.example"}),
    **{
        f"openai_compatible {quirks}": (
            "openai_compatible",
            "m",
            {"base_url": "https://c.example/v1", "quirks": quirks},
        )
        for quirks in ("default", "vllm", "ollama", "openrouter", "groq", "deepseek")
    },
    "mistral": ("mistral", "mistral-large-latest", {}),
    "ollama": ("ollama", "gemma3", {}),
    "openrouter": ("openrouter", "z-ai/glm-4.6v", {}),
    "anthropic": ("anthropic", "claude-sonnet-4-5", {}),
    "google 3": ("google", "gemini-3.5-flash", {}),
    "google 2": ("google", "gemini-2.5-flash", {}),
    "google 2.0": ("google", "gemini-2.0-flash", {}),
    "vertex gemini": ("vertex", "gemini-3.5-flash", {"options": {"project": "p"}}),
    "vertex claude": ("vertex", "claude-sonnet-4-5@20250929", {"options": {"project": "p"}}),
    "bedrock": ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"options": {"region": "us-east-1"}}),
    "cohere": ("cohere", "command-a-vision-07-2025", {}),
}
CALLED = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
HI = {"role": "user", "content": "Hi"}
PLACES = {
    "user": (
        lambda part: [{"role": "user", "content": [{"type": "text", "text": "Look:"}, part]}],
        "messages[0].content[1]",
    ),
    "tool result": (
        lambda part: [
            HI,
            {"role": "assistant", "tool_calls": [CALLED]},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Found:"}, part]},
        ],
        "messages[2].content[1]",
    ),
    "answer": (
        lambda part: [HI, {"role": "assistant", "content": [{"type": "text", "text": "Here:"}, part]}, HI],
        "messages[1].content[1]",
    ),
}  # fmt: skip


class CapturedError(Exception):
    """Ends a request whose body was captured."""


class Capturing(Transport):
    """Takes one request and answers none."""

    def __init__(self) -> None:
        self.body = b""

    async def send(self, request: Request) -> UpstreamResponse:
        self.body = request.body
        raise CapturedError

    async def aclose(self) -> None:
        return


async def body_of(name: str, messages: list[dict], **fields: object) -> str:
    """What an adapter sends for a conversation."""
    adapter_type, upstream_model, own = ADAPTERS[name]
    secret = "AKIDEXAMPLE00000:key" if adapter_type == "bedrock" else "ya29.token"
    deployment = Deployment(
        id="d",
        model="public",
        provider="p",
        adapter=adapter_type,
        upstream_model=upstream_model,
        credential=Secret(secret),
        max_output_tokens=100,
        **own,
    )
    call = Call(deployment=deployment, request_id="r", deadline=asyncio.get_running_loop().time() + 5)
    request = msgspec.json.decode(json.dumps({"model": "public", "messages": messages, **fields}), type=ChatRequest)
    transport = Capturing()
    adapter = build(adapter_type, transport)
    assert isinstance(adapter, SupportsChat)
    with pytest.raises(CapturedError):
        await adapter.chat(request, call)
    if adapter_type in ACCEPT:
        accept(adapter_type, json.loads(transport.body))
    return transport.body.decode()


async def sent_or_refused(name: str, messages: list[dict], **fields: object) -> str | ProviderError:
    """What an adapter sends for a conversation, or why it does not."""
    try:
        return await body_of(name, messages, **fields)
    except ProviderError as error:
        return error


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ADAPTERS)
async def test_part_is_carried_or_refused_with_its_path(name: str, part: str, place: str) -> None:
    given, payload = PARTS[part]
    conversation, path = PLACES[place]
    sent = await sent_or_refused(name, conversation(given))
    if isinstance(sent, str):
        assert payload in sent or base64.b64decode(payload + "==").decode("latin-1") in sent
        return
    assert sent.kind is ErrorKind.UNSUPPORTED_PARAMETER
    assert str(sent.param).startswith(path)
    assert "i.example" not in sent.message


@pytest.mark.parametrize("name", ADAPTERS)
async def test_image_that_an_answer_made_is_seen_in_the_next_turn(name: str) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}, "index": 0}
    answer = {"role": "assistant", "content": "Here:", "images": [image]}
    body = await body_of(name, [HI, answer, HI])
    assert body.count(PNG) == 1


AUDIO = {"audio", "audio as data URL", "audio at an address"}
VIDEO = {"video as data URL", "video at an address"}
WEB = {"image at an address", "PDF at an address", "audio at an address", "video at an address"}
EXPECTED_REFUSALS = {
    "anthropic": AUDIO | VIDEO,
    "google 3": {"audio at an address", "uploaded file"},
    "google 2": {"audio at an address", "uploaded file"},
    "google 2.0": WEB | {"uploaded file"},
    "bedrock": WEB | {"uploaded file"},
    "cohere": AUDIO | VIDEO | {"PDF as data URL", "PDF at an address", "uploaded file"},
    "vertex claude": AUDIO | VIDEO | {"image at an address", "PDF at an address"},
    "openai": VIDEO | {"audio at an address"},
    "openrouter": {"audio at an address"},
    "openai_compatible openrouter": {"audio at an address"},
    "openai_compatible vllm": set(),
    "openai_compatible default": set(),
    "openai_compatible groq": VIDEO | {"audio at an address"},
    "mistral": VIDEO,
    "ollama": set(PARTS) - {"image as data URL", "image with detail"},
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED_REFUSALS)
async def test_refusals_are_those_of_the_documents(name: str) -> None:
    user = PLACES["user"][0]
    found = {part: await sent_or_refused(name, user(given)) for part, (given, _) in PARTS.items()}
    assert {part for part, sent in found.items() if not isinstance(sent, str)} == EXPECTED_REFUSALS[name]


@pytest.mark.parametrize(
    ("form", "known"),
    [
        ("wav", "wav"),
        ("x-wav", "wav"),
        ("mpeg", "mp3"),
        ("mp3", "mp3"),
        ("flac", "flac"),
        ("ogg", "ogg"),
        ("mp4", "m4a"),
    ],
)
async def test_recording_in_a_data_url_is_sent_in_the_form_that_the_server_knows(form: str, known: str) -> None:
    part = {"type": "audio_url", "audio_url": {"url": f"data:audio/{form};codecs=1;base64,{SOUND}"}}
    sent = json.loads(await body_of("openrouter", PLACES["user"][0](part)))
    assert sent["messages"][0]["content"][1] == {"type": "input_audio", "input_audio": {"data": SOUND, "format": known}}
    sent = json.loads(await body_of("openai_compatible vllm", PLACES["user"][0](part)))
    assert sent["messages"][0]["content"][1] == part


FORMATS = ("wav", "mp3", "flac", "opus", "ogg", "aac", "m4a", "webm")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["openrouter", "openai_compatible vllm", "google 3", "bedrock"])
async def test_recording_of_any_format_keeps_it(name: str, form: str) -> None:
    part = {"type": "input_audio", "input_audio": {"data": SOUND, "format": form}}
    sent = await body_of(name, PLACES["user"][0](part))
    assert SOUND in sent
    assert f'"format":"{form}"' in sent or f'"audio/{"mp4" if form == "m4a" else form}"' in sent


DRAWING = {"google 3", "google 2", "google 2.0", "vertex gemini", "openrouter", "openai_compatible openrouter"}
DRAWING |= {"openai_compatible default"}


@pytest.mark.parametrize("name", ADAPTERS)
async def test_answer_with_images_is_asked_for_or_refused(name: str) -> None:
    sent = await sent_or_refused(name, [HI], modalities=["image", "text"])
    if name in DRAWING:
        assert isinstance(sent, str)
        assert '["image","text"]' in sent or '["IMAGE","TEXT"]' in sent
        return
    assert isinstance(sent, ProviderError)
    assert (sent.kind, sent.param, sent.message) == (
        ErrorKind.UNSUPPORTED_PARAMETER,
        "modalities",
        "This model does not draw.",
    )
