"""What a request may consume, before it is known.

Input: 3.2 characters a token, and for text beyond ASCII two UTF-8 bytes a token; what is no text by a table. A
tokenizer that covers every byte cannot make more tokens than there are bytes, so of text the truth is at most 3.2
times the estimate. Output: what the client allows, else what 95 % of the model's answers stayed below, and never more
than the model can write. What an answer needed beyond is taken when it is settled.
"""

import math
from collections import deque
from typing import Final

CHARS_PER_TOKEN: Final = 3.2
MESSAGE_TOKENS: Final = 8
"""What a chat template adds, at least."""
FIRST_OUTPUT: Final = 1_000
"""Of a model that has not answered yet."""
SAMPLES: Final = 200
RECOUNT: Final = 20
MAX_MODELS: Final = 1_024


def input_tokens(chars: int) -> int:
    """Return the estimate for a prompt of so many characters, weighed as the operations weigh them."""
    return math.ceil(chars / CHARS_PER_TOKEN) + MESSAGE_TOKENS


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
