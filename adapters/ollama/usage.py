"""Token counters of Ollama to the meter vector; knows no message.

| `Usage`           | Ollama                                                                         |
|-------------------|--------------------------------------------------------------------------------|
| prompt_tokens     | `prompt_eval_count`                                                            |
| completion_tokens | `eval_count` (includes the thinking, which is not counted by itself)           |
| raw               | the counters, with the durations in nanoseconds: `total_duration`,             |
|                   | `load_duration`, `prompt_eval_duration`, `eval_duration`                       |

Cached prompt tokens are counted and not told apart. Older servers leave `prompt_eval_count` out where the whole prompt
was cached: then the prompt is not reported.
"""

from typing import Final

import msgspec
from msgspec import Raw

from schemas.ollama import Counters
from schemas.usage import Usage

MAX_COUNT: Final = 1 << 53


def to_usage(counters: Counters) -> Usage | None:
    """Return the counters, None where none is reported; raises `msgspec.ValidationError` where one is no count."""
    prompt, completion = _count(counters.prompt_eval_count), _count(counters.eval_count)
    if prompt is None and completion is None:
        return None
    given = {name: value for name in Counters.__struct_fields__ if (value := getattr(counters, name)) is not None}
    return Usage(prompt_tokens=prompt, completion_tokens=completion, raw=Raw(msgspec.json.encode(given)))


def _count(value: int | None) -> int | None:
    if value is not None and not 0 <= value < MAX_COUNT:
        raise msgspec.ValidationError("A counter is no number of tokens.")
    return value
