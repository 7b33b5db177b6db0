"""The table of errors in `docs/client-api.md` says what the code says: every code, its status and its type."""

import ast
import re
from pathlib import Path

from adapters.errors import ErrorKind, ProviderError
from aqueduct.api.errors import from_provider

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d{3}) \| (`.+?`) \| (`.+?`) \|", re.MULTILINE)
BELOW_THE_APPLICATION = {
    (400, "invalid_http"): "invalid_request_error",
    (408, "request_timeout"): "invalid_request_error",
    (431, "headers_too_large"): "invalid_request_error",
}
"""What the HTTP protocol answers by itself."""
BESIDE = {
    (400, "media_not_fetched"): "invalid_request_error",
    (400, "content_filter"): "invalid_request_error",
    (404, "unknown_url"): "invalid_request_error",
    (500, "internal_error"): "server_error",
}
"""What no call with a literal status and code tells."""


def documented() -> dict[tuple[int, str], set[str]]:
    rows = ROW.findall((ROOT / "docs" / "client-api.md").read_text())
    return {
        (int(status), code): set(re.findall(r"`(\w+)`", types))
        for status, codes, types in rows
        for code in re.findall(r"`(\w+)`", codes)
    }


def literals(node: ast.expr) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def raised() -> dict[tuple[int, str], set[str]]:
    """Statuses, codes and types of the refusals in the source, as far as they are literals."""
    found: dict[tuple[int, str], set[str]] = {}
    for path in (ROOT / "aqueduct").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id == "invalid_request":
                codes, status, types = literals(node.args[0]), 400, ["invalid_request_error"]
            elif node.func.id == "unavailable":
                codes, status, types = literals(node.args[0]), 503, ["server_error"]
            elif node.func.id in {"GatewayError", "LimitReachedError"} and isinstance(node.args[0], ast.Constant):
                named = {keyword.arg: literals(keyword.value) for keyword in node.keywords}
                codes, status = literals(node.args[1]), int(str(node.args[0].value))
                types = named.get("error_type", ["invalid_request_error"])
            else:
                continue
            for code in codes:
                found.setdefault((status, code), set()).update(types)
    return found


def test_table_of_errors_names_every_code_with_its_status_and_type() -> None:
    told = {key: {kind} for key, kind in (BELOW_THE_APPLICATION | BESIDE).items()}
    for kind in ErrorKind:
        wire = from_provider(ProviderError(kind, "x"))
        told.setdefault((wire.status, str(wire.body.error.code)), set()).add(wire.body.error.type)
    for key, types in raised().items():
        told.setdefault(key, set()).update(types)
    told[429, "rate_limit_exceeded"] = {"requests", "tokens", "concurrency", "cost"}

    assert documented() == told
