"""What Vertex AI's predictions mean; its other answers have the form of Gemini's or Anthropic's own."""

from upstreams.readers.sse import Decoded, error_message
from upstreams.reading import ReadError, Reading, Usage


def read_predictions(status: int, decoded: Decoded) -> Reading:
    """One vector for each prediction, in the order of the texts."""
    document = decoded.documents[0]
    if status >= 400:
        return Reading(error=ReadError(status, error_message(document)))
    found = [prediction["embeddings"] for prediction in document["predictions"]]
    usage = Usage(prompt=sum(int(one["statistics"]["token_count"]) for one in found))
    return Reading(vectors=tuple(tuple(one["values"]) for one in found), usage=usage)
