"""What the first round of a paused turn consumed is told where a later one fails or is cancelled."""

import asyncio

import msgspec
import pytest
from msgspec.structs import replace

from adapters.anthropic import AnthropicAdapter
from adapters.base import Call, Deployment, Secret
from adapters.conformance.case import Played, PlayedResponse, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from adapters.transport import Request, UpstreamResponse
from schemas.chat_request import ChatRequest
from schemas.usage import Usage
from tests.adapters.anthropic import exchanges

CHAT = msgspec.json.decode(
    b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9, "web_search_options": {}}',
    type=ChatRequest,
)
DEPLOYMENT = Deployment(
    id="d", model="m", provider="p", adapter="anthropic", upstream_model="claude-sonnet-4-5", credential=Secret("k")
)
CALL = Call(deployment=DEPLOYMENT, request_id="r", deadline=9e9)
PAUSED = exchanges.whole(exchanges.text("Half"), *exchanges.SEARCH, stop="pause_turn")
PROMPT = 2311


class First(PlayedTransport):
    """Pauses the first round; the second one fails, or where there is no failure waits without end."""

    def __init__(self, failure: Exception | None) -> None:
        super().__init__(None)
        self._failure = failure
        self.waits = asyncio.Event()

    async def send(self, request: Request) -> UpstreamResponse:
        self.requests.append(request)
        if len(self.requests) == 1:
            return PlayedResponse(Played([PAUSED]))
        self.waits.set()
        if self._failure is not None:
            raise self._failure
        return await asyncio.Event().wait()  # type: ignore[return-value]  # it never returns


@pytest.mark.parametrize("known", [None, 4])
async def test_failure_of_a_later_round_says_what_all_consumed(known: int | None) -> None:
    failure = ProviderError(ErrorKind.SERVER_ERROR, "Busy.")
    failure.usage = None if known is None else Usage(prompt_tokens=known)
    with pytest.raises(ProviderError) as caught:
        await AnthropicAdapter(First(failure)).chat(CHAT, CALL)
    assert caught.value.usage is not None
    assert caught.value.usage.prompt_tokens == PROMPT + (known or 0)


async def test_cancelled_later_round_says_what_the_earlier_ones_consumed() -> None:
    told: list[Usage] = []
    transport = First(None)
    asking = asyncio.create_task(AnthropicAdapter(transport).chat(CHAT, replace(CALL, on_abandoned=told.append)))
    await asyncio.wait_for(transport.waits.wait(), 10)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [usage.prompt_tokens for usage in told] == [PROMPT]
