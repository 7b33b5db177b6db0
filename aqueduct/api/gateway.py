"""Everything that routes work with, built once per process and injected; knows no operation."""

from msgspec import Struct, field

from adapters.transport import Transport
from aqueduct.catalog.watcher import Catalog
from aqueduct.db.readers import Readers
from aqueduct.ids import RequestIds
from aqueduct.observability.metrics import Metrics
from aqueduct.observability.request_log import RequestLog
from aqueduct.pipeline.execute import Pipeline
from aqueduct.pipeline.limiting import LimitedAdmission
from aqueduct.schema_check.checker import SchemaChecker
from aqueduct.server.body_budget import BodyBudget
from aqueduct.server.stream_watch import StreamWatch
from aqueduct.server.turnstile import Turnstile
from aqueduct.settings import Settings
from aqueduct.usage.recorder import Recorder
from aqueduct.vault.vault import Vault


class Gateway(Struct, kw_only=True):
    """The parts of a running gateway. `inflight` counts requests in work; `draining` once it is to stop."""

    settings: Settings
    catalog: Catalog
    pipeline: Pipeline
    admission: LimitedAdmission
    transport: Transport
    recorder: Recorder
    readers: Readers
    metrics: Metrics
    request_log: RequestLog
    stream_watch: StreamWatch
    request_ids: RequestIds
    vault: Vault | None = None
    checker: SchemaChecker
    bodies: BodyBudget = field(default_factory=BodyBudget)
    turnstile: Turnstile = field(default_factory=Turnstile)
    inflight: int = 0
    draining: bool = False
