"""The command `aqueduct`: thin commands over what the other packages do; decides on exit codes and on what is shown.

Exit codes: 0 done, 1 refused or failed (the reason is on standard error), 2 wrong usage.
"""

from aqueduct.cli.program import main

__all__ = ["main"]
