"""The turns of one request, for providers where those of user and assistant alternate; knows no provider.

The first turn is the user's, and answers hold text alone: what else one showed follows in a user's turn. A user's turn
of blank text still stands between answers, in words: without it, a last answer would be one to go on with.
"""

from collections.abc import Callable
from typing import Final, Generic, Literal, TypeVar

from adapters.base import BLANK_MESSAGE
from adapters.errors import ErrorKind, ProviderError
from adapters.media import FROM_ANSWER
from adapters.tool_history import UniqueCalls

Role = Literal["user", "assistant"]
BlockT = TypeVar("BlockT")
_OPENING: Final = "(start of the conversation)"


class Turns(Generic[BlockT]):
    """Collects the turns, message by message. `calls` are the calls of the answers; `to_text` makes a block of text."""

    def __init__(self, to_text: Callable[[str], BlockT]) -> None:
        self.calls = UniqueCalls()
        self._to_text = to_text
        self._turns: list[tuple[Role, list[BlockT]]] = []
        self._shown: list[BlockT] = []

    def begin(self, role: Role) -> None:
        """Take note that a message follows which is no tool result; raises `ProviderError` where one is missing."""
        if role == "user" or (self._turns and self._turns[-1][0] == "user"):
            self.calls.expect_none()
            self._end_answer()

    def of(self, role: Role) -> list[BlockT]:
        """Return the blocks of the turn that the next message of this role belongs to."""
        if self._turns and self._turns[-1][0] != role:
            self._end_turn()
        if not self._turns or self._turns[-1][0] != role:
            self._turns.append((role, []))
        return self._turns[-1][1]

    def show(self, block: BlockT) -> None:
        """Take what an answer showed beside its text: it follows the results of the answer's calls."""
        self._shown.append(block)

    def finish(self, alone: Callable[[], list[BlockT]]) -> list[tuple[Role, list[BlockT]]]:
        """Return the turns; `alone` gives what is asked where there are none.

        Raises:
            ProviderError: there is nothing to ask, or a tool call has no result.
        """
        self.calls.expect_none()
        self._end_answer()
        self._end_turn()
        turns: list[tuple[Role, list[BlockT]]] = [turn for turn in self._turns if turn[1]]
        if not turns and (blocks := alone()):
            turns = [("user", blocks)]
        if not turns:
            raise ProviderError(ErrorKind.INVALID_REQUEST, "The messages have no content.", param="messages")
        if turns[0][0] == "assistant":
            turns.insert(0, ("user", [self._to_text(_OPENING)]))
        return turns

    def _end_answer(self) -> None:
        if self._shown:
            self.of("user").extend([self._to_text(FROM_ANSWER), *self._shown])
            self._shown = []

    def _end_turn(self) -> None:
        """Put a last turn of which nothing is left in words where a user's follows an answer; leave others out."""
        if not self._turns or self._turns[-1][1]:
            return
        if self._turns[-1][0] == "user" and len(self._turns) > 1:
            self._turns[-1][1].append(self._to_text(BLANK_MESSAGE))
        else:
            self._turns.pop()
