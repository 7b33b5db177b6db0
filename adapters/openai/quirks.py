"""What distinguishes one OpenAI-format server from another, as data; holds the row of OpenAI itself."""

from msgspec import Struct


class Quirks(Struct, frozen=True, kw_only=True):
    """Facts about a server.

    `keep_stop`: a literal finish reason `stop` stands also after tool calls.
    """

    base_url: str = ""
    keep_stop: bool = False


OPENAI = Quirks(base_url="https://api.openai.com/v1", keep_stop=True)
