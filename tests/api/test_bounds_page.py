"""The bounds that `docs/client-api.md` states are those of the code."""

import re
from pathlib import Path

from adapters.embeddings import MAX_INPUTS
from adapters.sse import MAX_EVENT_BYTES
from adapters.transport import MAX_RESPONSE_BYTES
from aqueduct.api.rerank import MAX_DOCUMENTS
from aqueduct.cli.server import KEEP_ALIVE_S
from aqueduct.dialects.decode import MAX_EXTRA_PARAMS
from aqueduct.pipeline.fan_out import MAX_ANSWERS
from aqueduct.pipeline.media import MAX_PARTS
from aqueduct.server.http_protocol import MAX_HEAD_BYTES, UNREAD_TIMEOUT_S

PAGE = (Path(__file__).parents[2] / "docs" / "client-api.md").read_text()


def test_page_states_the_bounds_of_the_code() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", PAGE.split("## Bounds")[1], re.MULTILINE)
    stated = {what: [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", bound)] for what, bound in rows}

    assert {what: numbers for what, numbers in stated.items() if numbers} == {
        "address and headers of a request": [MAX_HEAD_BYTES // 1024],
        "unknown parameters of a request": [MAX_EXTRA_PARAMS],
        "texts to embed, for providers with a dialect of their own": [MAX_INPUTS],
        "documents to rank": [MAX_DOCUMENTS],
        "`n` where the provider gives one answer at a time": [MAX_ANSWERS],
        "web addresses of a request that the gateway fetches": [MAX_PARTS],
        "a provider's whole answer; one event of its stream": [MAX_RESPONSE_BYTES >> 20, MAX_EVENT_BYTES >> 20],
        "an answer that the client does not read": [UNREAD_TIMEOUT_S],
        "a connection without a request": [KEEP_ALIVE_S],
    }
