"""Resolve the Python lock files; must not write an address into any of them.

The locks are universal (any platform, Python 3.11 and later) and carry the hash of every file. Those of
`pyproject.toml` agree with each other on versions: the development lock starts from the runtime lock, and
the bootstrap lock (uv and the build backend, what `make` itself stands on) from the development lock. The
clients of the contract tests live in environments of their own and are resolved apart from all that; so is the
package that carries a model for them, alone, because only a file of it is used.

Run as `make lock`; with `--upgrade` it takes the newest versions instead of keeping those that still fit.
"""

import argparse
import os
import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path("requirements")
CLIENTS = Path("contract-tests/clients")
CLIENT_ENVIRONMENTS = ("python", "litellm")
MODEL = Path("contract-tests/model")
HEADER = "# Written by `make lock` from {source}; do not edit.\n"


def compile_lock(target: Path, arguments: list[str], *, upgrade: bool) -> None:
    """Write one lock file, keeping versions that still satisfy what it comes from unless `upgrade`."""
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    command = [str(uv), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-emit-index-url", "--no-emit-find-links", "--output-file", str(target), *arguments]
    command += ["--upgrade"] if upgrade else []
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "UV_LINK_MODE": "copy"})
    path = ROOT / target
    body = path.read_text("utf-8")
    header = HEADER.format(source="pyproject.toml" if target.parent == FOLDER else "requirements.in")
    path.write_text(body if body.startswith(header) else header + body, "utf-8")


def main() -> None:
    """Write the locks in the order in which they constrain each other."""
    parser = argparse.ArgumentParser(description="Resolve the lock files from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    upgrade: bool = parser.parse_args().upgrade
    runtime, dev = FOLDER / "requirements.lock", FOLDER / "requirements-dev.lock"
    compile_lock(runtime, ["pyproject.toml"], upgrade=upgrade)
    compile_lock(dev, ["pyproject.toml", "--group", "dev", "--constraint", str(runtime)], upgrade=upgrade)
    compile_lock(FOLDER / "bootstrap.lock", ["--group", "bootstrap", "--constraint", str(dev)], upgrade=upgrade)
    for name in CLIENT_ENVIRONMENTS:
        folder = CLIENTS / name
        compile_lock(folder / "requirements.lock", [str(folder / "requirements.in")], upgrade=upgrade)
    model = ["--no-deps", str(MODEL / "requirements.in")]
    compile_lock(MODEL / "requirements.lock", model, upgrade=upgrade)


if __name__ == "__main__":
    main()
