"""Deployments, calls and a transport that answers each request with the next exchange; knows no adapter's inside."""

import asyncio
import json

import msgspec

from adapters.base import Call, Deployment, Secret
from adapters.conformance.case import Played, PlayedResponse, PlayedTransport
from adapters.transport import Request, UpstreamResponse
from schemas.chat_request import ChatRequest

ASKED = [{"role": "user", "content": "What is the weather in Ulm?"}]
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Sunny."}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11},
    "modelVersion": "gemini-3.5-flash",
    "responseId": "resp_1",
}
CLAUDE = {
    "id": "msg_vrtx_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "Sunny."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 2},
}


def encode(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


class Scripted(PlayedTransport):
    """Answers each request with the next of `(status, body)` or `body`; `wait_s` is what each takes."""

    def __init__(self, *exchanges: object, wait_s: float = 0) -> None:
        super().__init__(None)
        self._exchanges = list(exchanges)
        self._wait_s = wait_s

    async def send(self, request: Request) -> UpstreamResponse:
        self.requests.append(request)
        await asyncio.sleep(self._wait_s)
        found = self._exchanges.pop(0)
        if isinstance(found, Exception):
            raise found
        status, body = found if isinstance(found, tuple) else (200, found)
        response = PlayedResponse(Played([encode(body)], status=status))
        self.responses.append(response)
        return response


def deployment(upstream_model: str = "gemini-3.5-flash", **fields) -> Deployment:
    base = {"id": "d", "model": "public", "provider": "p", "adapter": "vertex", "upstream_model": upstream_model}
    base |= {"credential": Secret("ya29.canary-0123456789"), "options": {"project": "acme"}}
    return Deployment(**{**base, **fields})


def call_of(of: Deployment, **fields) -> Call:
    deadline = asyncio.get_running_loop().time() + fields.pop("within_s", 10)
    return Call(deployment=of, request_id="r-1", deadline=deadline, **fields)


def request(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "public", "messages": ASKED, **fields}), type=ChatRequest)
