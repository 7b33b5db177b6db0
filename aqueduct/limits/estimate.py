"""What a request may consume, before it is known.

Input: 3.2 characters a token, and for text beyond ASCII two UTF-8 bytes a token; what is no text by a table. A
tokenizer that covers every byte cannot make more tokens than there are bytes, so of text the truth is at most 3.2
times the estimate. Output: what the client allows; where it allows anything, `open_output`, and that becomes the
bound that the provider is told.
"""

import math
from collections import deque
from typing import Final

CHARS_PER_TOKEN: Final = 3.2
MESSAGE_TOKENS: Final = 8
"""What a chat template adds, at least."""
FIRST_OUTPUT: Final = 1_000
"""Of a model that has not answered yet."""
OPEN_OUTPUT: Final = 16_384
"""What a client that sets no bound may have of a model, unless its answers are longer or a limit is small."""
USUAL_TIMES: Final = 4
LIMIT_PARTS: Final = 4
"""So many answers without a bound shall have room in a limit at once."""
LEAST_OUTPUT: Final = 16
"""The least bound that every provider takes."""
SAMPLES: Final = 200
RECOUNT: Final = 20
MAX_MODELS: Final = 1_024


def input_tokens(chars: int) -> int:
    """Return the estimate for a prompt of so many characters, weighed as the operations weigh them."""
    return math.ceil(chars / CHARS_PER_TOKEN) + MESSAGE_TOKENS


def open_output(usual: int, cap: int | None, smallest: int) -> tuple[int, int]:
    """Return what to reserve of the output where the client set no bound, and the least that will do.

    `cap` is what the model can write, `smallest` the lowest of the limits that the output counts against.
    """
    wanted = max(USUAL_TIMES * usual, min(OPEN_OUTPUT, smallest // LIMIT_PARTS))
    least = min(usual, max(LEAST_OUTPUT, smallest // LIMIT_PARTS))
    return (wanted, least) if cap is None else (min(wanted, cap), min(least, cap))


class OutputLengths:
    """How long answers of each model are, learned from those that were limited."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[int]] = {}
        self._usual: dict[str, int] = {}
        self._since: dict[str, int] = {}

    def usual(self, model: str) -> int:
        """Return what 95 % of the answers stayed below."""
        return self._usual.get(model, FIRST_OUTPUT)

    def learn(self, model: str, tokens: int) -> None:
        """Take note of an answer."""
        samples = self._samples.get(model)
        if samples is None:
            if len(self._samples) >= MAX_MODELS:
                return
            samples = self._samples[model] = deque(maxlen=SAMPLES)
        samples.append(tokens)
        self._since[model] = self._since.get(model, 0) + 1
        if self._since[model] >= RECOUNT:
            self._since[model] = 0
            self._usual[model] = max(1, sorted(samples)[math.ceil(len(samples) * 0.95) - 1])
