"""Resolve the three lock files from pyproject.toml; must not write an address into any of them.

The locks are universal (any platform, Python 3.11 and later), carry the hash of every file, and agree
with each other on versions: the development lock starts from the runtime lock, and the bootstrap lock
(uv and the build backend, what `make` itself stands on) from the development lock.

Run as `make lock`; with `--upgrade` it takes the newest versions instead of keeping those that still fit.
"""

import argparse
import os
import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path("requirements")
HEADER = "# Written by `make lock` from pyproject.toml; do not edit.\n"


def compile_lock(name: str, arguments: list[str], *, upgrade: bool) -> None:
    """Write one lock file, keeping versions that still satisfy pyproject.toml unless `upgrade`."""
    target = FOLDER / name
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    command = [str(uv), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-emit-index-url", "--no-emit-find-links", "--output-file", str(target), *arguments]
    command += ["--upgrade"] if upgrade else []
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "UV_LINK_MODE": "copy"})
    path = ROOT / target
    body = path.read_text("utf-8")
    path.write_text(body if body.startswith(HEADER) else HEADER + body, "utf-8")


def main() -> None:
    """Write the locks in the order in which they constrain each other."""
    parser = argparse.ArgumentParser(description="Resolve the lock files from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    upgrade: bool = parser.parse_args().upgrade
    runtime, dev = FOLDER / "requirements.lock", FOLDER / "requirements-dev.lock"
    compile_lock(runtime.name, ["pyproject.toml"], upgrade=upgrade)
    compile_lock(dev.name, ["pyproject.toml", "--group", "dev", "--constraint", str(runtime)], upgrade=upgrade)
    compile_lock("bootstrap.lock", ["--group", "bootstrap", "--constraint", str(dev)], upgrade=upgrade)


if __name__ == "__main__":
    main()
