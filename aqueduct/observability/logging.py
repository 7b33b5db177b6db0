"""Logs of what is rare: start, stop, failures. Requests have their own lines (`request_log`)."""

import logging
import sys
from datetime import UTC, datetime
from typing import Final

import msgspec
from typing_extensions import override

from aqueduct.settings import Settings

_encode = msgspec.json.Encoder().encode
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_QUIET: Final = ("uvicorn.access", "httpx", "httpcore", "alembic.runtime.migration")


class JsonFormatter(logging.Formatter):
    """One JSON object per line. Tracebacks show code, never values."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encode(line).decode()


def configure_logging(settings: Settings) -> None:
    """Send the process's logs to standard error in the form that the settings name."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LEVELS[settings.log_level])
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
