"""The estimate of a request's input beside what its provider counted, over every recorded chat request. Trap 9."""

import json
import re

import pytest
from upstreams.recordings import Recording, recordings

from aqueduct.api.chat import CHAT
from aqueduct.errors import GatewayError
from aqueduct.limits.estimate import CHARS_PER_TOKEN, input_tokens

FEWEST = 150
ADDED_TOKENS = 100
"""What a chat template adds at most beyond the estimate's own allowance for it."""
OWN_PROMPT = "venice/"
"""A provider that writes a prompt of its own, of more than a thousand tokens, before the client's."""
_PROMPT = re.compile(rb'"prompt_tokens"\s*:\s*(\d+)')
_MEDIA = ("image_url", "input_audio", "video_url", "file")
_SEARCH = ("web_search_options", "plugins", "search_parameters")


def counted(recording: Recording) -> int | None:
    """Return how many tokens of input the provider reported, None where it said nothing."""
    found = _PROMPT.findall(recording.body)
    return int(found[-1]) if found else None


def compared() -> list[tuple[str, int, int]]:
    """Return name, estimate and count of every recorded request that is text alone and can be read."""
    rows = []
    for recording in recordings("chat.completions", status=200):
        truth = counted(recording)
        text = json.dumps(recording.request_body)
        if not truth or any(f'"{kind}"' in text for kind in (*_MEDIA, *_SEARCH)):
            continue
        try:
            request, _ = CHAT.decoder.decode(text.encode())
        except GatewayError:
            continue
        rows.append((recording.name, input_tokens(CHAT.reserved_chars(request)), truth))
    return rows


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, int, int]]:
    return compared()


def test_estimate_is_never_below_the_truth_by_more_than_the_stated_bound(rows: list[tuple[str, int, int]]) -> None:
    assert len(rows) >= FEWEST, "or the test proves nothing"
    beyond = [name for name, estimate, truth in rows if truth > estimate * CHARS_PER_TOKEN + ADDED_TOKENS]
    assert [name for name in beyond if not name.startswith(OWN_PROMPT)] == []


def test_estimate_is_mostly_above_the_truth_and_seldom_far_below(rows: list[tuple[str, int, int]]) -> None:
    below = [row for row in rows if row[2] > row[1]]
    far = [row for row in below if row[2] > 1.5 * row[1] + ADDED_TOKENS]
    assert len(below) <= len(rows) * 0.2
    assert [row for row in far if not row[0].startswith(OWN_PROMPT)] == []
    assert sum(truth for _, _, truth in rows) <= sum(estimate for _, estimate, _ in rows)
