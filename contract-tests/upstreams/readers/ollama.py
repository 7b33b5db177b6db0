"""What Ollama's own chats and their streams mean."""

from upstreams.readers.sse import Decoded, error_message
from upstreams.reading import ReadError, Reading, ToolCall, Usage


def read(status: int, decoded: Decoded) -> Reading:
    """A chat answer, or the lines of its stream."""
    last = decoded.documents[-1]
    if status >= 400 or "error" in last:
        return Reading(error=ReadError(status, error_message(last)))
    messages = [document.get("message") or {} for document in decoded.documents]
    calls = tuple(
        ToolCall(one["function"]["name"], one["function"]["arguments"])
        for message in messages
        for one in message.get("tool_calls") or []
    )
    finish = "length" if last.get("done_reason") == "length" else "tool_calls" if calls else "stop"
    return Reading(
        text="".join(message.get("content") or "" for message in messages),
        reasoning="".join(message.get("thinking") or "" for message in messages),
        tool_calls=calls,
        finish=finish if last.get("done") else None,
        usage=Usage(prompt=last["prompt_eval_count"], completion=last["eval_count"]) if "eval_count" in last else None,
    )
