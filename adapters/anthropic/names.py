"""Tool names at Anthropic: which it takes, and those that this adapter uses itself; knows no message."""

from typing import Final

from adapters.tool_names import NameForm

NAMES: Final = NameForm("_-", 128)
WEB_SEARCH: Final = "web_search"
