"""What a conversation says, read from OpenAI's format and from each provider's body; shares no code with the adapters.

A meaning is a list of atoms in order: who says a text or shows an image, who calls which tool with what, which call a
result answers. Instructions are a list of their own, because some providers take them nowhere but at the front.
Neighbouring texts of one role are one text, and white space does not count: providers join and trim.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Json: TypeAlias = Any
Atom = tuple[str, ...]
NO_OUTPUT = "(no output)"
"""Stands for an empty result where a provider refuses one."""
BLANK = "(blank message)"
"""Stands for a user's turn of blank text between answers where a provider refuses one."""


class Meaning:
    """Collects atoms; calls are numbered in their order, so that ids may differ."""

    def __init__(self) -> None:
        self.instructions = ""
        self.atoms: list[Atom] = []
        self._calls: dict[str, list[int]] = {}
        self._count = 0

    def say(self, role: str, text: str | None) -> None:
        text = "" if text == BLANK else "".join((text or "").split())
        if not text:
            return
        if role == "system":
            self.instructions += text
        elif self.atoms and self.atoms[-1][:2] == (role, "text"):
            self.atoms[-1] = (role, "text", self.atoms[-1][2] + text)
        else:
            self.atoms.append((role, "text", text))

    def show(self, role: str, image: str) -> None:
        self.atoms.append((role, "image", image))

    def call(self, call_id: str, name: str, arguments: Json) -> None:
        self._calls.setdefault(call_id, []).append(self._count)
        self._count += 1
        self.atoms.append(("assistant", "call", name, json.dumps(arguments, sort_keys=True)))

    def result(self, call_id: str, text: str | None) -> None:
        number = self._calls[call_id].pop(0)
        self.atoms.append(("tool", f"answers {number}", "".join((text or "").split())))

    def comparable(self) -> tuple[str, list[Atom]]:
        return self.instructions, self.atoms


def arguments_of(text: str) -> Json:
    return json.loads(text) if text.strip() else {}


def data_of(url: str) -> str:
    return url.partition(";base64,")[2]


# --- OpenAI's format, and those who speak it


def of_openai(body: Json) -> Meaning:
    meaning = Meaning()
    for message in body["messages"]:
        role = {"developer": "system"}.get(message["role"], message["role"])
        content = message.get("content")
        if role == "tool":
            meaning.result(message["tool_call_id"], "".join(text for _, text in _openai_parts(content)))
            continue
        for kind, value in _openai_parts(content):
            (meaning.show if kind == "image" else meaning.say)(role, value)
        meaning.say(role, message.get("refusal"))
        for called in message.get("tool_calls") or ():
            meaning.call(called["id"], called["function"]["name"], arguments_of(called["function"]["arguments"]))
    return meaning


def _openai_parts(content: Json) -> Iterator[tuple[str, str]]:
    if isinstance(content, str):
        yield "text", content
        return
    for part in content or ():
        if part["type"] == "image_url":
            yield "image", data_of(part["image_url"]["url"])
        elif part["type"] != "thinking":
            yield "text", part.get("text") or part.get("refusal") or ""


# --- Anthropic


def of_anthropic(body: Json) -> Meaning:
    meaning = Meaning()
    for block in body.get("system") or ():
        meaning.say("system", block["text"])
    for turn in body["messages"]:
        for block in turn["content"]:
            _anthropic_block(meaning, turn["role"], block)
    return meaning


def _anthropic_block(meaning: Meaning, role: str, block: Json) -> None:
    match block["type"]:
        case "text":
            assert block["text"].strip(), "the API refuses empty texts"
            meaning.say(role, block["text"])
        case "image":
            meaning.show(role, block["source"]["data"])
        case "tool_use":
            meaning.call(block["id"], block["name"], block["input"])
        case "tool_result":
            content = block.get("content") or ""
            text = content if isinstance(content, str) else "".join(part["text"] for part in content)
            meaning.result(block["tool_use_id"], text)
        case "thinking" | "redacted_thinking":
            pass
        case other:
            raise AssertionError(other)


# --- Google


def of_google(body: Json) -> Meaning:
    meaning = Meaning()
    for part in body.get("systemInstruction", {}).get("parts", ()):
        meaning.say("system", part["text"])
    for content in body["contents"]:
        role = {"model": "assistant"}.get(content["role"], content["role"])
        for part in content["parts"]:
            if part.get("thought"):
                continue
            if "text" in part:
                meaning.say(role, part["text"])
            elif "inlineData" in part:
                meaning.show(role, part["inlineData"]["data"])
            elif "functionCall" in part:
                called = part["functionCall"]
                meaning.call(called.get("id", ""), called["name"], called.get("args") or {})
            else:
                answer = part["functionResponse"]
                meaning.result(answer.get("id", ""), _google_result(answer["response"]))
    return meaning


def _google_result(response: Json) -> str:
    for name in ("result", "content", "error"):
        if set(response) == {name}:
            value = response[name]
            return value if isinstance(value, str) else json.dumps(value)
    return json.dumps(response)


# --- Bedrock


def of_bedrock(body: Json) -> Meaning:
    meaning = Meaning()
    for block in body.get("system") or ():
        meaning.say("system", block.get("text"))
    for turn in body["messages"]:
        for block in turn["content"]:
            if "text" in block:
                assert block["text"].strip(), "the API refuses blank texts"
                meaning.say(turn["role"], block["text"])
            elif "image" in block:
                meaning.show(turn["role"], block["image"]["source"]["bytes"])
            elif "toolUse" in block:
                meaning.call(block["toolUse"]["toolUseId"], block["toolUse"]["name"], block["toolUse"]["input"])
            elif "toolResult" in block:
                answer = block["toolResult"]
                texts = [part["text"] if "text" in part else json.dumps(part["json"]) for part in answer["content"]]
                text = "".join(texts)
                meaning.result(answer["toolUseId"], "" if text == NO_OUTPUT else text)
    return meaning


# --- Ollama


def of_ollama(body: Json) -> Meaning:
    meaning = Meaning()
    for message in body["messages"]:
        role = message["role"]
        if role == "tool":
            meaning.result(message["tool_call_id"], message["content"])
            continue
        for image in message.get("images") or ():
            meaning.show(role, image)
        meaning.say(role, message["content"])
        for called in message.get("tool_calls") or ():
            meaning.call(called["id"], called["function"]["name"], called["function"]["arguments"])
    return meaning


READERS: dict[str, Callable[[Json], Meaning]] = {
    "openai": of_openai,
    "vllm": of_openai,
    "deepseek": of_openai,
    "openrouter": of_openai,
    "mistral": of_openai,
    "cohere": of_openai,
    "ollama": of_ollama,
    "anthropic": of_anthropic,
    "google": of_google,
    "bedrock": of_bedrock,
    "bedrock_nova": of_bedrock,
}
