"""Where a request is admitted before anything is sent upstream: the stage and its types.

A reservation is taken before the first attempt and settled after the last, exactly once. Rules that can refuse a
request implement `Admission`; `OpenAdmission` is a gateway that has none.
"""

from typing import Protocol

from aqueduct.pipeline.context import RequestContext
from schemas.usage import Usage


class Reservation(Protocol):
    """What a request may consume."""

    def settle(self, usage: Usage | None) -> None:
        """Take what was really consumed and give the rest back; `None` where nothing was consumed."""
        ...


class Admission(Protocol):
    """Decides on a request, all scopes at once."""

    async def admit(self, context: RequestContext) -> Reservation | None:
        """Return the reservation (`None`: nothing to settle) or raise `GatewayError`."""
        ...


class OpenAdmission:
    """Admits every request that was authenticated and may use its model."""

    async def admit(self, context: RequestContext) -> Reservation | None:
        """Admit."""
        del context
        return None
