"""What every dialect is sent for instructive conversations: read in review, and accepted by the providers' own types.

`golden_requests/*.json` are requests as clients write them; `golden/requests/*.json` say what each dialect makes of
one: the body, what is named as dropped, or why it is refused. `make golden` rewrites them.
"""

import json
from pathlib import Path

import pytest

from adapters.errors import ProviderError
from tests.adapters.dialects import DIALECTS, Sent, sent_or_refused
from tests.adapters.provider_types import ACCEPT, accept
from tests.golden import Golden

FOLDER = Path(__file__).parent / "golden_requests"
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))


def request_of(case: str) -> dict[str, object]:
    document: dict[str, object] = json.loads((FOLDER / f"{case}.json").read_text("utf-8"))
    return document


def described(found: Sent | ProviderError) -> dict[str, object]:
    if isinstance(found, ProviderError):
        return {"refused": found.kind, "param": found.param, "message": found.message}
    return {"body": found.body, **({"dropped": sorted(found.dropped)} if found.dropped else {})}


@pytest.mark.parametrize("case", CASES)
async def test_request_is_what_was_read_in_review(case: str, golden: Golden) -> None:
    found = {dialect: described(await sent_or_refused(dialect, request_of(case))) for dialect in DIALECTS}
    golden.check(f"requests/{case}.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def test_conversations_are_many() -> None:
    assert len(CASES) >= 60


# --- the providers' own types

JUDGED = [dialect for dialect, (adapter, *_) in DIALECTS.items() if adapter in ACCEPT]


@pytest.mark.parametrize("dialect", JUDGED)
async def test_every_body_is_accepted_by_the_providers_own_types(dialect: str) -> None:
    accepted = 0
    for case in CASES:
        found = await sent_or_refused(dialect, request_of(case))
        if isinstance(found, Sent):
            try:
                accept(DIALECTS[dialect][0], found.body)
            except AssertionError as error:
                raise AssertionError(f"{case}: {error}") from error
            accepted += 1
    assert accepted >= 50


@pytest.mark.parametrize("dialect", JUDGED)
@pytest.mark.parametrize("change", [{"role": 5}, {"content": 5, "parts": 5}, {"unheard_of": "x"}], ids=str)
async def test_body_that_is_wrong_inside_is_refused_by_the_providers_own_types(dialect: str, change: dict) -> None:
    found = await sent_or_refused(dialect, request_of("text_turns"))
    assert isinstance(found, Sent)
    turns = found.body["contents" if dialect == "google" else "messages"]
    turns[-1].update(change)
    with pytest.raises(AssertionError):
        accept(DIALECTS[dialect][0], found.body)
