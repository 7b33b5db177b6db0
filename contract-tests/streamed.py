"""What a translator makes of a stream's bytes, for the tests that read recordings through the adapters."""

from collections.abc import Iterable

import msgspec
from upstreams import Reading
from upstreams.readers import read_body

from adapters.errors import ProviderError
from adapters.exchange import EventParser, Translator
from adapters.sse import SseParser


class Streamed:
    """A stream as the adapter passes it on; an error is kept behind the items before it."""

    def __init__(
        self, translator: Translator[object], pieces: Iterable[bytes], parser: EventParser | None = None
    ) -> None:
        parser = parser or SseParser()
        self.items: list[object] = []
        self.error: ProviderError | None = None
        try:
            for piece in pieces:
                for event in parser.feed(piece):
                    self.items += translator.feed(event)
            for event in parser.flush():
                self.items += translator.feed(event)
            self.items += translator.finish()
        except ProviderError as error:
            self.error = error
        self.finished = translator.finished
        self.usage = translator.usage

    def reading(self, api: str = "chat.completions") -> Reading:
        events = b"".join(b"data: " + msgspec.json.encode(item) + b"\n\n" for item in self.items)
        return read_body(api, 200, events, "sse")
