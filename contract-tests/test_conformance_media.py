"""Behaviours of images, files and audio in requests, and of prompt caching, for every adapter."""

from matrix import Talk, behaviour, each, user
from upstreams.recordings import JsonObject

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKMSAwIG9iago8PC9UeXBlL0NhdGFsb2c+PgplbmRvYmoKdHJhaWxlcgo8PC9Sb290IDEgMCBSPj4K"
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
NOTE = "YSBub3RlIG9mIHRoZSB1c2Vy"
FILM = "AAAAGGZ0eXBtcDQyAAAAAG1wNDJpc29t"
URL = "https://images.example/arch.png"


def picture(url: str, **fields: object) -> JsonObject:
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def shown(talk: Talk, *parts: JsonObject):
    return talk.ask([user([{"type": "text", "text": "Look"}, *parts])])


@behaviour("media.image_data", "An image as data URL reaches the model")
def test_media_image_data(talk: Talk) -> None:
    heard = shown(talk, picture(f"data:image/png;base64,{PIXEL}"))

    assert heard.text == "You said: Look"
    assert PIXEL in talk.sent_text


NO_FETCH = {
    "bedrock": "Converse reads no web addresses.",
    "ollama": "Ollama reads no web addresses.",
    "vertex-claude": "Claude on Vertex AI reads no web addresses.",
}


@behaviour("media.image_url", "An image at a web address is read by the provider", unsupported=NO_FETCH)
def test_media_image_url(talk: Talk) -> None:
    heard = shown(talk, picture(URL))

    if talk.unsupported:
        assert heard.answer.status == 400
        assert heard.error["param"].startswith("messages[0].content[1]")
        return
    assert heard.text == "You said: Look"
    assert URL in talk.sent_text


@behaviour("media.detail", "`detail` of an image does not make the provider refuse")
def test_media_detail(talk: Talk) -> None:
    assert shown(talk, picture(f"data:image/png;base64,{PIXEL}", detail="low")).text == "You said: Look"


@behaviour("media.images", "Several images reach the model, each behind the text before it")
def test_media_images(talk: Talk) -> None:
    image = picture(f"data:image/png;base64,{PIXEL}")

    heard = shown(talk, image, {"type": "text", "text": " again"}, image)

    assert heard.finish == "stop"
    assert talk.sent_text.index("Look") < talk.sent_text.index(PIXEL)
    assert " again" in talk.sent_text
    assert talk.sent_text.count(PIXEL) == 2


NO_PDF = {"cohere": "Cohere's chat takes texts and images.", "ollama": "Ollama takes texts and images."}


@behaviour("media.pdf", "A PDF as data URL reaches the model", unsupported=NO_PDF)
def test_media_pdf(talk: Talk) -> None:
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}

    heard = shown(talk, part)

    if talk.unsupported:
        assert heard.answer.status == 400
        assert heard.error["param"].startswith("messages[0].content[1]")
        return
    assert heard.text == "You said: Look"
    assert PDF in talk.sent_text


NO_AUDIO = {
    **each("Claude hears nothing.", "anthropic", "vertex-claude"),
    "cohere": "Cohere's chat takes texts and images.",
    "ollama": "Ollama takes texts and images.",
}


@behaviour("media.audio", "Recorded speech reaches the model", unsupported=NO_AUDIO)
def test_media_audio(talk: Talk) -> None:
    heard = shown(talk, {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}})

    if talk.unsupported:
        assert heard.answer.status == 400
        assert heard.error["param"].startswith("messages[0].content[1]")
        return
    assert heard.text == "You said: Look"
    assert WAV in talk.sent_text


NO_FILE = {"ollama": "Ollama takes texts and images."}


@behaviour("media.text_file", "A text file as data URL reaches the model", unsupported=NO_FILE)
def test_media_text_file(talk: Talk) -> None:
    part = {"type": "file", "file": {"filename": "a.txt", "file_data": f"data:text/plain;base64,{NOTE}"}}

    heard = shown(talk, part)

    if talk.unsupported:
        assert heard.answer.status == 400
        assert heard.error["param"].startswith("messages[0].content[1]")
        return
    assert "Look" in heard.text
    assert NOTE in talk.sent_text or "a note of the user" in talk.sent_text


NO_VIDEO = {
    **each("OpenAI sees no videos.", "openai", "azure_openai"),
    **each("Claude sees no videos.", "anthropic", "vertex-claude"),
    "cohere": "Cohere's chat takes texts and images.",
    "mistral": "Mistral sees no videos.",
    "ollama": "Ollama takes texts and images.",
}


@behaviour("media.video", "A video as data URL reaches the model", unsupported=NO_VIDEO)
def test_media_video(talk: Talk) -> None:
    heard = shown(talk, {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{FILM}"}})

    if talk.unsupported:
        assert heard.answer.status == 400
        assert heard.error["param"].startswith("messages[0].content[1]")
        return
    assert heard.text == "You said: Look"
    assert FILM in talk.sent_text


@behaviour("media.unknown", "A kind of content that nobody knows is a 400 that names it")
def test_media_unknown(talk: Talk) -> None:
    heard = shown(talk, {"type": "hologram", "hologram": {}})

    assert heard.answer.status == 400
    assert heard.error["param"].startswith("messages[0].content[1]")
    assert talk.upstream.ledger == []


@behaviour("media.bad_data", "A data URL that is none is a 400 that names it, or the provider's own refusal")
def test_media_bad_data(talk: Talk) -> None:
    heard = shown(talk, picture("data:image/png;base64,%%%"))

    assert heard.answer.status in {200, 400}
    if heard.answer.status == 400:
        assert (heard.error["param"] or "messages[0].content[1]").startswith("messages[0].content[1]")


NO_BREAKPOINTS = {
    **each("OpenAI caches by itself.", "openai", "azure_openai"),
    "openai_compatible": "The server caches by itself.",
    "mistral": "Mistral caches by itself.",
    **each("Gemini caches by itself, or what was made a cache before.", "google", "vertex-gemini"),
    "cohere": "Cohere caches by itself.",
    "ollama": "Ollama caches by itself.",
}
NOT_TOLD = {"ollama": "Ollama does not tell cached tokens apart."}


@behaviour("caching.breakpoints", "`cache_control` at a part reaches the provider", unsupported=NO_BREAKPOINTS)
def test_caching_breakpoints(talk: Talk) -> None:
    marked = {"type": "text", "text": "A long text", "cache_control": {"type": "ephemeral"}}

    heard = talk.ask([user([marked, {"type": "text", "text": " and a question"}])])

    assert heard.text == "You said: A long text and a question"
    if talk.unsupported:
        assert "cache_control" not in talk.sent_text or talk.subject.name == "openai_compatible"
    else:
        assert "cache_control" in talk.sent_text or "cachePoint" in talk.sent_text


NO_AUTO = NO_BREAKPOINTS | {
    "openrouter": "OpenRouter passes breakpoints on; which of its models want them it does not say.",
}


@behaviour(
    "caching.auto", "A model's `auto_cache` sets the breakpoints where the client sets none", unsupported=NO_AUTO
)
def test_caching_auto(talk: Talk) -> None:
    talk.ask([{"role": "system", "content": "A long text"}, user("and a question")], to="-cached")

    marked = "cache_control" in talk.sent_text or "cachePoint" in talk.sent_text
    assert marked == (talk.unsupported is None)
    talk.ask([{"role": "system", "content": "A long text"}, user("and a question")])
    assert "cache_control" not in talk.sent_text
    assert "cachePoint" not in talk.sent_text


@behaviour("caching.usage", "Tokens that the cache gave are counted, as a part of the prompt", unsupported=NOT_TOLD)
def test_caching_usage(talk: Talk) -> None:
    usage = talk.ask("Read [cached=8] this long text again, please.").usage

    if talk.unsupported:
        assert "cached_tokens" not in (usage.get("prompt_tokens_details") or {})
        return
    assert usage["prompt_tokens_details"]["cached_tokens"] == 8
    assert usage["prompt_tokens"] == talk.upstream.ledger[-1].usage.prompt > 8


@behaviour("caching.usage_streamed", "The same streamed", unsupported=NOT_TOLD)
def test_caching_usage_streamed(talk: Talk) -> None:
    usage = talk.stream("Read [cached=8] this long text again, please.").chunks[-1]["usage"]

    if talk.unsupported:
        assert "cached_tokens" not in (usage.get("prompt_tokens_details") or {})
        return
    assert usage["prompt_tokens_details"]["cached_tokens"] == 8
    assert usage["prompt_tokens"] == talk.upstream.ledger[-1].usage.prompt
