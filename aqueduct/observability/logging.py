"""Logs of what is rare: start, stop, failures. Requests have their own lines (`request_log`)."""

import logging
from datetime import UTC, datetime
from logging.config import dictConfig
from typing import Final

import msgspec
from typing_extensions import override

from aqueduct.settings import Settings

_encode = msgspec.json.Encoder().encode
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


def log_config(settings: Settings) -> dict[str, object]:
    """Return what `logging.config` makes the logs of a process from: to standard error, in the form of the settings."""
    formatters: dict[str, object] = {
        "json": {"()": f"{JsonFormatter.__module__}.{JsonFormatter.__qualname__}"},
        "text": {"format": "%(asctime)s %(levelname)-7s %(name)s %(message)s"},
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": formatters,
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": settings.log_format}
        },
        "root": {"handlers": ["stderr"], "level": settings.log_level.upper()},
        "loggers": {name: {"level": "WARNING"} for name in _QUIET},
    }


def configure_logging(settings: Settings) -> None:
    """Send the process's logs where `log_config` says."""
    dictConfig(log_config(settings))
