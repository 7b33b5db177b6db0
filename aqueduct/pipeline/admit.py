"""Where a request is admitted before anything is sent upstream: the stage and its types.

A reservation is taken before the first attempt and settled after the last, exactly once. Rules that can refuse a
request implement `Admission`; a request whose caller stands under no limit is not asked about.
"""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from adapters.base import Deployment
from aqueduct.catalog.snapshot import ResolvedModel
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.spec import Units
from schemas.usage import Usage


class Demand(Struct, frozen=True):
    """What a request asks for. `max_output` is the client's bound in tokens, all choices together; None: it set none.

    `answers` to a request for several may be as many calls, each with the whole prompt. `prompt_chars` counts the
    prompt, which only limits on tokens or cost need, and `units` what may be charged beside tokens, which only their
    prices need. `plan` is not empty.
    """

    model: ResolvedModel
    answers: int
    plan: tuple[Deployment, ...]
    prompt_chars: Callable[[], int]
    max_output: int | None
    units: Callable[[], Units] = Units


class Reservation(Protocol):
    """What a request may consume."""

    max_output: int | None
    """The tokens of output that are reserved where the client set no bound: the gateway's then. None: it has none."""

    async def attempt(
        self, deployment: Deployment, prompt_chars: Callable[[], int], units: Callable[[], Units]
    ) -> None:
        """Check that there is enough for one more attempt after the first, or raise `GatewayError`.

        What the callables hold, the request, is not kept.
        """
        ...

    async def extend(self, output: int) -> bool:
        """Raise `max_output` to so many tokens or more; False where that cannot be reserved: the answer must end."""
        ...

    def narrow(self) -> bool:
        """Lower `max_output` to the least that will do, once; False where it cannot be lowered."""
        ...

    def settle(self, usage: Usage | None) -> None:
        """Take what was really consumed and give the rest back; `None` where nothing was consumed."""
        ...


class Admission(Protocol):
    """Decides on a request, all scopes at once."""

    async def admit(self, context: RequestContext, demand: Demand) -> Reservation | None:
        """Return the reservation (`None`: nothing to settle) or raise `GatewayError`."""
        ...
