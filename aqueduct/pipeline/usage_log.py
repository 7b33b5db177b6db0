"""What a request tells the journal while it passes the stages: that it begins, and with which rows it ended."""

from adapters.base import Deployment
from aqueduct.errors import overloaded
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.usage_row import to_open_row, to_row
from aqueduct.usage.recorder import Recorder


class UsageLog:
    """The pipeline's side of the recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def begin(self, context: RequestContext, deployment: Deployment) -> None:
        """Note a request before its first upstream byte; `deployment` is the one to be tried first.

        Raises `GatewayError` 503 where that cannot be noted: what is not noted must not be spent.
        """
        if not self._recorder.open(context.request_id, to_open_row(context, deployment)):
            raise overloaded()
        context.journaled = True
        await self._recorder.durable()

    def end(self, context: RequestContext, duration_s: float) -> None:
        """Record a request that has ended, exactly once.

        Requests of unknown callers leave no row, and those that never got as far as a provider leave none while rows
        wait at their bound: refusing must not fill the disk that it is to save.
        """
        if context.principal is not None and (context.journaled or not self._recorder.is_full):
            self._recorder.put(to_row(context, duration_s))
