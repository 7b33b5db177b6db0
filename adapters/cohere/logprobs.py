"""Log probabilities to OpenAI's; knows no message.

Cohere gives them by pieces of text, each of one or more tokens whose own texts are not told: a piece counts as one
token with the probability of all of its tokens. There are no alternatives.
"""

from collections.abc import Iterable

from schemas.chat_response import ChoiceLogprobs, TokenLogprob
from schemas.cohere import ReceivedLogprob


def to_logprobs(pieces: Iterable[ReceivedLogprob]) -> ChoiceLogprobs | None:
    """Return the log probabilities, None where there are none."""
    content = [
        TokenLogprob(
            token=piece.text or "",
            logprob=sum(piece.logprobs),
            bytes=list((piece.text or "").encode("utf-8", "replace")),
            top_logprobs=[],
        )
        for piece in pieces
        if piece.logprobs
    ]
    return ChoiceLogprobs(content=content) if content else None
