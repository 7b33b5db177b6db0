"""The example of docs/limits.md: applied as it is printed, every limit in it holds as the page says."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from gateway_fixtures import fresh_database
from raw_http import Answer, ask, request_bytes
from running_gateway import RunningGateway, apply_yaml, running_gateway

from aqueduct.db.cluster import Cluster
from aqueduct.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "limits.md"
TOKENS = {who: f"aq_{who:-<12}-token-for-tests-0123456789" for who in ("ada", "research")}
ZONE = "Europe/Vienna"


def example() -> str:
    (found,) = re.findall(r"<!-- example -->\n```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def gateway(gateway_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("example")
    url = fresh_database(gateway_cluster, "limits_example")
    apply_yaml(url, example(), folder, {f"{who.upper()}_TOKEN": token for who, token in TOKENS.items()})
    journal = str(folder / "journal")
    settings = Settings(database_url=url, data_dir=str(folder), journal_dir=journal, limits_time_zone=ZONE)
    with running_gateway(settings) as running:
        yield running


def chat(gateway: RunningGateway, who: str, text: str, model: str = "echo", **fields: object) -> Answer:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    return ask(gateway.port, request_bytes("/v1/chat/completions", json.dumps(body).encode(), token=TOKENS[who]))


def standing(gateway: RunningGateway, who: str) -> dict[tuple[object, ...], dict[str, object]]:
    limits = ask(gateway.port, request_bytes("/v1/me", method="GET", token=TOKENS[who])).json()["limits"]
    assert isinstance(limits, list)
    return {(one["metric"], one["window"], one["model"]): one for one in limits}


def test_member_of_the_default_team_stands_under_its_limits_and_those_of_the_organisation(
    gateway: RunningGateway,
) -> None:
    found = standing(gateway, "ada")
    assert {key: (one["limit"], one["per_member"], one["mode"], one["calendar"]) for key, one in found.items()} == {
        ("requests", "minute", None): (3, True, "enforce", False),
        ("total_tokens", "minute", None): (20_000, True, "enforce", False),
        ("concurrency", None, None): (2, True, "enforce", False),
        ("requests", "day", "large"): (100, False, "enforce", False),
        ("cost", "month", None): (500_000_000, False, "enforce", True),
    }
    now = datetime.now(ZoneInfo(ZONE))
    year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
    assert found["cost", "month", None]["resets_at"] == datetime(year, month, 1, tzinfo=ZoneInfo(ZONE)).timestamp()


def test_every_limit_holds_as_it_is_written(gateway: RunningGateway) -> None:
    assert chat(gateway, "ada", "x" * 90_000).error()["code"] == "request_exceeds_limit"
    first = chat(gateway, "ada", "hello", model="large", max_tokens=10)
    usage = first.json()["usage"]
    assert isinstance(usage, dict)
    read, written = int(usage["prompt_tokens"]), int(usage["completion_tokens"])
    second = chat(gateway, "ada", "hello", max_tokens=10)
    assert [first.status, second.status] == [200, 200], "the large model counts twice: it has taken two of three"
    refused = chat(gateway, "ada", "hello", max_tokens=10)
    assert (refused.status, refused.error()["type"]) == (429, "requests")
    assert "team 'example/everyone' is 3 requests per minute, for each member" in str(refused.error()["message"])
    found = standing(gateway, "ada")
    assert found["requests", "minute", None]["used"] == 3
    assert found["requests", "day", "large"]["used"] == 2
    assert found["concurrency", None, None]["used"] == 0
    assert found["cost", "month", None]["used"] == (10 * read + 20 * written) + (read + 2 * written)


def test_limit_in_shadow_counts_and_refuses_nothing(gateway: RunningGateway) -> None:
    answers = [chat(gateway, "research", "[echo tokens=800] go", max_tokens=900) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    shadow = standing(gateway, "research")["output_tokens", "hour", None]
    assert (shadow["mode"], shadow["limit"], shadow["used"], shadow["remaining"]) == ("shadow", 1_000, 1_600, 0)
