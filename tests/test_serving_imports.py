"""What a serving process loads: memory and start of every worker."""

import subprocess
import sys
from typing import Final

UNUSED: Final = ("alembic", "anthropic", "google", "httpx", "mako", "openai", "pygments", "rich", "sqlalchemy")
"""For migrations, the command line and tests alone; half the memory of an idle process, and most of its start."""
PROGRAM: Final = """
import sys
import aqueduct.cli.program, aqueduct.cli.serve, aqueduct.app, aqueduct.server.hot_protocol
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_serving_process_imports_nothing_that_it_does_not_use():
    ran = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    loaded = ran.stdout.split()
    assert "litestar" in loaded
    assert not set(UNUSED) & set(loaded)
