"""LangChain's standard tests of a chat model, for `ChatOpenAI` with the models of the gateway.

Run as a program with the URL, a token and models, it prints how each test ended. The files that some tests download
are small ones from here.
"""

import base64
import io
import json
import os
import sys
import wave
from importlib.metadata import version

import httpx
import pytest
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n%%EOF"


def wav() -> bytes:
    """A hundredth of a second of silence."""
    made = io.BytesIO()
    with wave.open(made, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(160))
    return made.getvalue()


def from_here(url: str, **_: object) -> httpx.Response:
    """A file of the kind that the address names."""
    kind = url.rpartition(".")[2].lower()
    content = {"pdf": PDF, "wav": wav()}.get(kind, PNG)
    return httpx.Response(200, content=content, request=httpx.Request("GET", url))


@pytest.fixture(autouse=True)
def _no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx, "get", from_here)


class OnGateway(ChatModelIntegrationTests):
    """What `ChatOpenAI` can do."""

    model_name = ""
    other_name = "gpt-alias"
    chat_model_class = ChatOpenAI
    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_anthropic_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    supports_model_override = True

    @property
    def chat_model_params(self) -> dict[str, object]:
        """Where the gateway is."""
        return {
            "model": self.model_name,
            "base_url": os.environ["GATEWAY_URL"],
            "api_key": os.environ["GATEWAY_TOKEN"],
            "stream_usage": True,
            "max_retries": 0,
        }

    @property
    def model_override_value(self) -> str:
        """Another model, for the tests that change it in a call."""
        return self.other_name


class TestGpt(OnGateway):
    """An upstream in OpenAI's format."""

    model_name = "gpt"


class TestClaude(OnGateway):
    """An upstream in Anthropic's format."""

    model_name = "claude"
    supports_audio_inputs = False  # Claude takes none


class TestGemini(OnGateway):
    """An upstream in Google's format."""

    model_name = "gemini"
    supports_image_urls = False  # Gemini takes no address of a picture, and the gateway fetches none


class Outcomes:
    """A plugin that collects how each test ended."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, dict[str, object]]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the call's outcome, or that of the phase that prevented it."""
        if report.when != "call" and report.outcome == "passed":
            return
        _, kind, name = report.nodeid.split("::")
        reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else report.longreprtext
        outcome = {"outcome": report.outcome, "reason": reason[-1500:]}
        self.models.setdefault(kind.removeprefix("Test").lower(), {})[name] = outcome


if __name__ == "__main__":
    os.environ["GATEWAY_URL"], os.environ["GATEWAY_TOKEN"], *models = sys.argv[1:]
    outcomes = Outcomes()
    wanted = " or ".join(f"Test{model.capitalize()}" for model in models)
    options = ["-q", "--noconftest", "-c", os.devnull, "-p", "no:cacheprovider", "--asyncio-mode=auto", "-k", wanted]
    # One event loop, as an application has it: the client keeps its connections.
    options += [f"-oasyncio_default_{what}_loop_scope=session" for what in ("test", "fixture")]
    pytest.main([*options, __file__], plugins=[outcomes])
    sys.stdout.write(json.dumps({"version": version("langchain-tests"), "models": outcomes.models}) + "\n")
