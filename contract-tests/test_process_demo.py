"""`aqueduct demo` as a newcomer uses it: start, paste, call, stop, start again."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from serving_process import ServingProcess, processes_with, serving, wait_until

TOKEN_LINE = re.compile(r"^AQUEDUCT_TOKEN=(aq_\S+)$", re.MULTILINE)
CURL_LINE = re.compile(r"^curl .*$", re.MULTILINE)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo-data")


@pytest.fixture(scope="module")
def demo(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    """The first demo of a new data folder."""
    with serving("demo", tmp_path_factory.mktemp("demo"), data_dir=str(data_dir)) as process:
        yield process
    assert process.ended() == 0
    assert processes_with(str(data_dir)) == [], "PostgreSQL is left"


def token_of(process: ServingProcess) -> str:
    (token,) = TOKEN_LINE.findall(process.stdout)
    return str(token)


def hello(process: ServingProcess, token: str) -> str | None:
    with openai.OpenAI(base_url=process.url, api_key=token, max_retries=0) as client:
        answer = client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "Hello"}])
        return answer.choices[0].message.content


def test_demo_prints_lines_that_work_when_pasted_into_a_shell(demo: ServingProcess, tmp_path: Path) -> None:
    (curl,) = CURL_LINE.findall(demo.stdout)

    pasted = f"AQUEDUCT_TOKEN={token_of(demo)}\n{curl}\n"
    done = subprocess.run(["sh"], input=pasted, text=True, capture_output=True, timeout=20, check=True, cwd=tmp_path)

    answer = json.loads(done.stdout)
    assert answer["object"] == "chat.completion"
    assert "Hello, Aqueduct" in answer["choices"][0]["message"]["content"]


def test_demo_serves_echo_to_the_official_client(demo: ServingProcess) -> None:
    with openai.OpenAI(base_url=demo.url, api_key=token_of(demo), max_retries=0) as client:
        stream = client.chat.completions.create(
            model="echo", messages=[{"role": "user", "content": "one two three"}], stream=True
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        models = [model.id for model in client.models.list()]

    assert text == "one two three"
    assert models == ["echo"]


def test_demo_tells_its_token_once_and_never_in_a_log(demo: ServingProcess) -> None:
    token = token_of(demo)
    assert hello(demo, token)
    assert demo.get(f"/v1/models?key={token}").status == 401
    wait_until(lambda: demo.stdout.count('"endpoint"') > 0, 5.0, "a line of the request")

    assert demo.output.count(token) == 1


def test_demo_beside_another_on_the_same_data_shares_the_database_and_both_tokens_work(
    demo: ServingProcess, data_dir: Path, tmp_path: Path
) -> None:
    with serving("demo", tmp_path, data_dir=str(data_dir)) as second:
        assert second.port != demo.port
        assert token_of(second) != token_of(demo)
        assert hello(second, token_of(second))
        wait_until(lambda: demo.chat("Hi", token=token_of(second)).status == 200, 1.0, "the new token in the other")
        assert hello(second, token_of(demo)), "the earlier token goes on working"
        assert second.stop(signal.SIGINT) == 0

    assert hello(demo, token_of(demo)), "the database runs on for the other"


def test_demo_beside_another_on_other_data_has_a_database_of_its_own(
    demo: ServingProcess, data_dir: Path, tmp_path: Path
) -> None:
    other = tmp_path / ".aqueduct"
    with serving("demo", tmp_path) as second:
        assert hello(second, token_of(second))
        assert second.chat("Hi", token=token_of(demo)).status == 401
        assert processes_with(str(other)) != []
        assert second.stop() == 0

    assert processes_with(str(other)) == []
    assert processes_with(str(data_dir)) != []


def test_demo_on_a_taken_port_says_what_to_do_and_fails(demo: ServingProcess, tmp_path: Path) -> None:
    with serving(f"demo --port {demo.port}", tmp_path, ready=False) as second:
        code = second.ended()

    assert code == 1
    assert f"port {demo.port}" in second.stderr
    assert "AQUEDUCT_PORT" in second.stderr
    assert "Traceback" not in second.output
    assert TOKEN_LINE.search(second.stdout) is None
    assert not (tmp_path / ".aqueduct").exists(), "nothing was set up for nothing"


def test_demo_killed_without_warning_starts_again_and_leaves_nothing_when_it_ends(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving("demo", tmp_path / "first", data_dir=str(data)) as first:
        token = token_of(first)
        first.kill()
    assert processes_with(str(data)) != [], "the database has outlived its gateway"

    with serving("demo", tmp_path / "second", data_dir=str(data), log_format="text") as second:
        assert hello(second, token_of(second))
        assert hello(second, token), "nothing was lost"
        assert second.stop() == 0

    assert processes_with(str(data)) == []
    log = [line for line in second.stderr.splitlines() if line]
    assert log
    assert not any(line.startswith("{") for line in [*log, *second.stdout.splitlines()]), "text was asked for"


def test_demo_stopped_while_it_sets_up_ends_cleanly(tmp_path: Path) -> None:
    with serving("demo", tmp_path, ready=False) as process:
        wait_until(lambda: processes_with(str(tmp_path / ".aqueduct")) != [], 20.0, "the database's first process")
        code = process.stop()

    assert code == 0
    assert "Traceback" not in process.output
    assert processes_with(str(tmp_path / ".aqueduct")) == []


def test_demo_logs_are_json_lines_by_default(demo: ServingProcess) -> None:
    wait_until(lambda: demo.stdout.count('"endpoint"') > 0 or not demo.chat("Hi", token=token_of(demo)), 5.0, "a line")

    lines = [line for line in demo.stdout.splitlines() if '"endpoint"' in line]
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert all(isinstance(json.loads(line), dict) for line in demo.stderr.splitlines() if line)
