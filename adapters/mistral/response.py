"""A whole answer of Mistral to the hub's: OpenAI's, with the references as annotations; knows no HTTP."""

from typing import Final

import msgspec

from adapters.base import Result
from adapters.errors import UNREADABLE
from adapters.mistral.references import MARKS, Annotator, Sources
from schemas.chat_response import ChatCompletion
from schemas.mistral import ReceivedAnswer

_DECODER: Final = msgspec.json.Decoder(ReceivedAnswer)


def annotate(result: Result[ChatCompletion], answer: bytes, sources: Sources) -> Result[ChatCompletion]:
    """Add the annotations of an answer that has been translated."""
    if not any(mark in answer for mark in MARKS):
        return result
    received = read(answer)
    for choice, one in zip(result.body.choices, received.choices or (), strict=False):
        if one.message is not None and (found := Annotator(sources).feed(one.message.content)):
            choice.message.annotations = found
    return result


def read(data: bytes) -> ReceivedAnswer:
    """Return the content of an answer or stream item, nothing where it has another form."""
    try:
        return _DECODER.decode(data)
    except UNREADABLE:
        return ReceivedAnswer()
