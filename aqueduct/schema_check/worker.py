"""The process that holds JSON against schemas: reads from standard input, writes to standard output, imports little.

Schemas come from clients. Whatever one of them costs, it costs here: the kernel ends this process after `LIMIT_S`
seconds of one check, or beyond `MEMORY_BYTES`. No reference leads out of a schema: nothing is fetched. Patterns run on
an engine without backtracking.

A question is a line with the sizes of schema and text in bytes, then both. An answer is a line: `valid`, `invalid` and
why, or `unknown` where the schema is none, or none that can be checked, or the text is too deep, or a number too large.
"""

import json
import math
import resource
import signal
import sys
from contextlib import suppress
from functools import lru_cache
from typing import BinaryIO, Final, Never

import jsonschema_rs

LIMIT_S: Final = 0.5
MEMORY_BYTES: Final = 1024**3
MAX_COMPILED: Final = 256
MAX_REASON_CHARS: Final = 300
_PATTERNS: Final = jsonschema_rs.RegexOptions(size_limit=1024 * 1024, dfa_size_limit=1024 * 1024)


def main() -> None:
    """Answer until the other side closes."""
    with suppress(ValueError, OSError):  # not every system has this bound
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while head := source.readline():
        schema_size, text_size = map(int, head.split())
        schema, text = source.read(schema_size), source.read(text_size)
        _answer(sink, schema, text)


def verdict(schema: bytes, text: bytes) -> str:
    """Return the answer to a question, as one line without its end."""
    validator = _compiled(schema)
    if validator is None:
        return "unknown"
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_number)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return "invalid The answer is not valid JSON."
    except (ValueError, RecursionError):  # JSON has numbers of any size, and any depth
        return "unknown"
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        path = "".join(f"/{part}" for part in error.instance_path) or "/"
        return " ".join(["invalid", "At", f"{path}:", *error.message.split()])[:MAX_REASON_CHARS]
    except ValueError:
        return "unknown"
    return "valid"


def _answer(sink: BinaryIO, schema: bytes, text: bytes) -> None:
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)  # its signal ends the process
    try:
        line = verdict(schema, text)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    sink.write(line.encode("utf-8", "replace") + b"\n")
    sink.flush()


def _refuse(word: str) -> Never:
    """Refuse `NaN` and `Infinity`, which Python takes and JSON does not have."""
    raise json.JSONDecodeError("It is no JSON", word, 0)


def _number(digits: str) -> float:
    """Refuse what becomes infinite, which the checker takes for `null`."""
    number = float(digits)
    if math.isinf(number):
        raise ValueError
    return number


@lru_cache(maxsize=MAX_COMPILED)
def _compiled(schema: bytes) -> jsonschema_rs.Validator | None:
    try:
        return jsonschema_rs.validator_for(
            json.loads(schema), offline=True, pattern_options=_PATTERNS, validate_formats=False
        )
    except (ValueError, RecursionError, jsonschema_rs.ReferencingError, jsonschema_rs.ValidationError):
        return None


if __name__ == "__main__":
    main()
