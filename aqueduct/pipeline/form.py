"""Whether an answer has the form that the client asked for, and asking once more where it has not; knows no schema."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol

from msgspec import Struct

from adapters.base import Result
from adapters.errors import ProviderError
from aqueduct.catalog.snapshot import ResolvedModel
from aqueduct.errors import GatewayError
from aqueduct.pipeline.attempt_log import note_replaced
from aqueduct.pipeline.context import RequestContext
from aqueduct.pipeline.spec import BodyT, ChunkT, FormSpec, OperationSpec, RequestT, TextCollector


class Verdict(Protocol):
    """What a checker finds; `valid` is None where it cannot say."""

    @property
    def valid(self) -> bool | None:
        """Whether all texts follow the schema."""
        ...

    @property
    def reason(self) -> str:
        """Why not, for the model."""
        ...


class Checker(Protocol):
    """Holds texts against a JSON schema."""

    async def check(self, schema: bytes, texts: Sequence[str]) -> Verdict:
        """Return the verdict on all of them together; never raises for what is in them."""
        ...


class FormCheck(Struct, Generic[RequestT, BodyT, ChunkT], frozen=True):
    """The check of one request's answer."""

    checker: Checker
    spec: FormSpec[RequestT, BodyT, ChunkT]
    schema: bytes
    request: RequestT
    context: RequestContext
    repairs: bool

    async def checked(
        self, result: Result[BodyT], again: Callable[[RequestT], Awaitable[Result[BodyT]]]
    ) -> Result[BodyT]:
        """Return the answer, or the one to which asking once more has led; `again` makes that attempt."""
        verdict = await self._verdict(result)
        if verdict is None or verdict.valid is not False or not self.repairs or not self.spec.is_complete(result.body):
            return result
        context = self.context
        note_replaced(context)
        try:
            second = await again(self.spec.asked_again(self.request, result.body, verdict.reason))
        except (ProviderError, GatewayError):  # a limit may allow no further attempt
            return result
        if (await self._verdict(second)) is not None and context.schema_valid is True:
            context.schema_outcome = "repaired"
            return second
        context.schema_valid, context.schema_outcome = False, "invalid"
        return result

    def streamed(self) -> "StreamedForm[ChunkT]":
        """Return the check for an answer that is streamed: it is never asked for again."""
        tell = self.spec.tell if self.spec.wants_verdict(self.request) else None
        return StreamedForm(self.checker, self.schema, self.spec.collector(), self.context, tell)

    async def _verdict(self, result: Result[BodyT]) -> Verdict | None:
        texts = self.spec.texts(result.body)
        if not texts:
            return None
        verdict = await self.checker.check(self.schema, texts)
        note(self.context, verdict)
        return verdict


class StreamedForm(Struct, Generic[ChunkT], frozen=True):
    """The check of one stream, whose texts are collected as they are sent."""

    checker: Checker
    schema: bytes
    collector: TextCollector[ChunkT]
    context: RequestContext
    tell: Callable[[ChunkT, bool], None] | None

    def told(self, chunk: ChunkT) -> None:
        """Put the verdict into the chunk with the usage, where the client wants it and there is one."""
        if self.tell is not None and self.context.schema_valid is not None:
            self.tell(chunk, self.context.schema_valid)

    async def conclude(self) -> None:
        """Note the verdict at the end of the stream."""
        texts = self.collector.texts()
        if texts:
            note(self.context, await self.checker.check(self.schema, texts))


def form_check(
    checker: Checker | None,
    spec: OperationSpec[RequestT, BodyT, ChunkT],
    model: ResolvedModel,
    request: RequestT,
    context: RequestContext,
) -> FormCheck[RequestT, BodyT, ChunkT] | None:
    """Return the check, None where the client asks for no form or the operator for no check."""
    if checker is None or spec.form is None or model.schema_check == "off":
        return None
    schema = spec.form.schema(request)
    if schema is None:
        return None
    return FormCheck(checker, spec.form, schema, request, context, model.schema_check == "repair")


def note(context: RequestContext, verdict: Verdict) -> None:
    """Note a verdict for the header, the log and the metric."""
    context.schema_valid = verdict.valid
    context.schema_outcome = "unknown" if verdict.valid is None else "valid" if verdict.valid else "invalid"
