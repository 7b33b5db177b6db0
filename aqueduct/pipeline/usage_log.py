"""What a request tells the journal while it passes the stages: that it begins, and with which rows it ended."""

from adapters.base import Deployment
from aqueduct.errors import overloaded
from aqueduct.pipeline.attempt_log import note_cost
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.usage_row import to_attempt_rows, to_open_row, to_row
from aqueduct.usage.recorder import COLUMNS, Recorder

_VIOLATIONS = COLUMNS.index("violations")


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
        if self._recorder.syncs_always:
            await self._recorder.durable()

    def end(self, context: RequestContext, duration_s: float) -> bool:
        """Record a request that has ended, exactly once; returns whether its usage breaks an invariant.

        Requests of unknown callers leave no row, and those that never got as far as a provider leave none while rows
        wait at their bound: refusing must not fill the disk that it is to save.
        """
        if context.principal is None or (self._recorder.is_full and not context.journaled):
            return False
        if context.cost is None:
            note_cost(context)
        row = to_row(context, duration_s)
        self._recorder.put(row, to_attempt_rows(context, duration_s, row))
        return bool(row[_VIOLATIONS])
