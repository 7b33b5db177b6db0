"""Hold modules and functions to their size budgets; must not import the code that it measures.

A module may have 600 lines (above 400 it is named, and the run still passes), a function 60. Complexity,
branches and parameters are ruff's (C901, PLR0912, PLR0913). A function that is too long is split by
meaning, a module by the name of what leaves it.

Run as `python tools/size_budget.py [PATH ...]`; exit status 1 if a budget is exceeded.
"""

import argparse
import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODULE_SMELL = 400
MODULE_LIMIT = 600
FUNCTION_LIMIT = 60
DEFAULT_PATHS = ("schemas", "adapters", "aqueduct", "migrations", "tools", "tests", "contract-tests", "bench")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is too big: where, what and how many lines, and whether that fails the run."""

    path: Path
    line: int
    what: str
    lines: int
    limit: int
    fatal: bool

    def __str__(self) -> str:
        """Render as `path:line: what`, which editors can follow."""
        verdict = "limit" if self.fatal else "smell above"
        return f"{self.path}:{self.line}: {self.what} has {self.lines} lines ({verdict} {self.limit})"


def module_findings(path: Path, lines: int) -> Iterator[Finding]:
    """Yield at most one finding about the length of a whole module."""
    if lines > MODULE_LIMIT:
        yield Finding(path, 1, "module", lines, MODULE_LIMIT, fatal=True)
    elif lines > MODULE_SMELL:
        yield Finding(path, 1, "module", lines, MODULE_SMELL, fatal=False)


def function_findings(path: Path, tree: ast.Module) -> Iterator[Finding]:
    """Yield a finding for each function, also nested or in a class, above the limit; its docstring counts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LIMIT:
                yield Finding(path, node.lineno, f"function {node.name}", lines, FUNCTION_LIMIT, fatal=True)


def measure(path: Path) -> list[Finding]:
    """Measure one file; a file that Python cannot parse raises SyntaxError."""
    source = path.read_text("utf-8")
    return [
        *module_findings(path, len(source.splitlines())),
        *function_findings(path, ast.parse(source, filename=str(path))),
    ]


def python_files(paths: list[Path]) -> list[Path]:
    """Expand folders to the Python files below them; paths that do not exist are an error of the caller."""
    found: set[Path] = set()
    for path in paths:
        found.update(path.rglob("*.py") if path.is_dir() else [path])
    return sorted(file for file in found if not {"node_modules", ".venv"} & {*file.parts})


def main(arguments: list[str] | None = None) -> int:
    """Print each finding and return the exit status."""
    parser = argparse.ArgumentParser(description="Hold modules and functions to their size budgets.")
    parser.add_argument("paths", nargs="*", type=Path, help=f"default: {' '.join(DEFAULT_PATHS)}")
    paths: list[Path] = parser.parse_args(arguments).paths
    findings = [
        finding
        for file in python_files(paths or [Path(name) for name in DEFAULT_PATHS if Path(name).is_dir()])
        for finding in measure(file)
    ]
    for finding in sorted(findings, key=lambda one: one.fatal):
        print(finding)
    return int(any(finding.fatal for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
