"""What is wrong with a configuration file, at which line; must not know how that was found out."""

from typing import Final

from msgspec import Struct
from typing_extensions import override

MAX_PROBLEMS: Final = 50


class Problem(Struct, frozen=True):
    """One thing to mend. `path` is like `models[0].deployments[1].provider`; empty for the file as a whole."""

    line: int
    path: str
    reason: str

    def render(self, file: str) -> str:
        """Return `file:line: path: reason`, which editors can follow."""
        return ": ".join(part for part in (f"{file}:{self.line}", self.path, self.reason) if part)


class ConfigError(Exception):
    """The file is refused; nothing of it was applied. `problems` holds at least one and at most `MAX_PROBLEMS`."""

    def __init__(self, file: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(file, problems)
        self.file = file
        self.problems = problems[:MAX_PROBLEMS]
        self.left_out = max(len(problems) - MAX_PROBLEMS, 0)

    @override
    def __str__(self) -> str:
        lines = [problem.render(self.file) for problem in self.problems]
        if self.left_out:
            lines.append(f"{self.file}: and {self.left_out} more")
        return "\n".join(lines)
