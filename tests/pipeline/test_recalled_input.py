"""What the vault puts back into a request counts as its input, before it is sent. Trap 9."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from adapters.base import Call, Deployment
from aqueduct.api.chat import CHAT
from aqueduct.pipeline import execute
from aqueduct.pipeline.spec import Units

DEPLOYMENT = Deployment(id="d", model="m", provider="p", adapter="a", upstream_model="u")
CALL = Call(deployment=DEPLOYMENT, request_id="r", deadline=0.0, attempt=1)


class Reservation:
    def __init__(self) -> None:
        self.asked: list[tuple[Deployment, int]] = []

    async def attempt(
        self, deployment: Deployment, prompt_chars: Callable[[], int], units: Callable[[], Units]
    ) -> None:
        del units
        self.asked.append((deployment, prompt_chars()))


def request(text: str) -> Any:
    body = f'{{"model":"m","messages":[{{"role":"assistant","content":"a","reasoning_content":"{text}"}}]}}'
    return CHAT.decoder.decode(body.encode())[0]


async def recalled(before: Any, after: Any, reservation: Any) -> Any:
    async def asked(*_: object) -> Any:
        return after

    recall: Any = SimpleNamespace(asked=asked)
    return await execute._recalled(recall, before, CALL, reservation, CHAT)


async def test_restored_reasoning_is_reserved_before_it_is_sent() -> None:
    reservation, after = Reservation(), request("x" * 5_000)
    assert await recalled(request(""), after, reservation) is after
    assert reservation.asked == [(DEPLOYMENT, CHAT.reserved_chars(after))]
    assert CHAT.reserved_chars(after) > 5_000


async def test_request_that_lacks_nothing_reserves_no_more() -> None:
    reservation, same = Reservation(), request("")
    assert await recalled(same, same, reservation) is same
    assert await recalled(same, request("x"), None) is not same
    assert reservation.asked == []
