"""A whole `generateContent` answer to a chat completion; knows no transport and no clock."""

from msgspec import UNSET

from adapters.base import Result
from adapters.errors import UNREADABLE
from adapters.google import answer
from adapters.google.answer import CandidateReader, Piece, extra_content, to_logprobs
from adapters.google.errors import to_error_inside, unreadable
from adapters.google.finish import block_name, to_finish_reason
from adapters.google.safety import to_filter_results
from adapters.google.usage import Searches, read_usage
from adapters.message import Inherited
from adapters.tool_names import ToolNames
from schemas.chat_request import ReasoningDetail
from schemas.chat_response import (
    AssistantResponse,
    CalledCustomTool,
    CalledFunction,
    ChatCompletion,
    Choice,
    MessageAudio,
    MessageImage,
    MessageImageURL,
    MessageToolCall,
)
from schemas.google.response import Candidate, GenerateContentResponse
from schemas.usage import Usage


class Expected(Inherited, frozen=True, kw_only=True):
    """`names` are those of the request's tools.

    `searches_charged_each`: whether the model's searches are charged one by one.
    """

    names: ToolNames
    searches_charged_each: bool = True


def to_chat_completion(body: bytes, expected: Expected, dropped: tuple[str, ...] = ()) -> Result[ChatCompletion]:
    """Return the answer; raises `ProviderError` for an error inside it and for anything but Google's JSON."""
    response, usage, tier = decode(body)
    searches = Searches(charged_each=expected.searches_charged_each)
    searches.add(response.candidates or ())
    usage = searches.counted_in(usage)
    choices, native = _choices(response, expected)
    completion = ChatCompletion(
        id=expected.answer_id,
        choices=choices,
        created=expected.created,
        model=expected.model,
        service_tier=tier or UNSET,
        usage=usage.to_completion_usage() if usage is not None else UNSET,
    )
    return Result(
        body=completion,
        usage=usage or Usage(),
        upstream_id=response.response_id,
        upstream_model=response.model_version,
        native_finish_reason=native,
        dropped_params=dropped,
    )


def decode(body: bytes) -> tuple[GenerateContentResponse, Usage | None, str | None]:
    """Return an answer or event with its usage and the tier that served it; raises `ProviderError`."""
    try:
        response = answer.DECODER.decode(body)
        usage, tier = read_usage(response.usage_metadata)
    except UNREADABLE:
        raise unreadable(body) from None
    if response.error:
        raise to_error_inside(bytes(response.error))
    return response, usage, tier


def _choices(response: GenerateContentResponse, expected: Expected) -> tuple[list[Choice], str | None]:
    if response.candidates:
        found = [_choice(candidate, expected) for candidate in response.candidates]
        return [choice for choice, _ in found], found[0][1]
    if response.prompt_feedback is None or response.prompt_feedback.block_reason is None:
        raise answer.no_answer()
    native = block_name(response.prompt_feedback.block_reason)
    message = AssistantResponse(refusal=answer.block_text(response.prompt_feedback, native))
    results = to_filter_results(response.prompt_feedback.safety_ratings)
    choice = Choice(index=0, message=message, finish_reason="content_filter", content_filter_results=results)
    return [choice], native


def _choice(candidate: Candidate, expected: Expected) -> tuple[Choice, str | None]:
    reader = CandidateReader(expected.request_id, candidate.index, expected.names)
    message = _Message()
    for piece in reader.read(candidate):
        message.add(piece)
    choice = Choice(
        index=candidate.index,
        message=message.build(reader, expected),
        finish_reason=to_finish_reason(reader.native_finish, called_tools=reader.called_tools),
        logprobs=to_logprobs(candidate.logprobs_result),
        content_filter_results=reader.filter_results,
    )
    return choice, reader.native_finish


class _Message:
    """Gathers the pieces of one message."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._audio: list[str] = []
        self._calls: list[MessageToolCall] = []
        self._details: list[ReasoningDetail] = []
        self._images: list[MessageImage] = []
        self._refusal: str | None = None
        self._text_signature: ReasoningDetail | None = None

    def add(self, piece: Piece) -> None:
        match piece:
            case answer.Text(text):
                self._texts.append(text)
            case answer.Thought(text):
                self._thoughts.append(text)
            case answer.ToolCall():
                self._add_call(piece)
            case answer.Signature(detail):
                self._text_signature = detail
                self._details.append(detail)
            case answer.Image(url):
                self._images.append(MessageImage(image_url=MessageImageURL(url=url), index=len(self._images)))
            case answer.Audio(data):
                self._audio.append(data)
            case answer.Refusal(text):
                self._refusal = text

    def _add_call(self, piece: answer.ToolCall) -> None:
        call = MessageToolCall(id=piece.call_id)
        if piece.is_custom:
            call.type = "custom"
            call.custom = CalledCustomTool(name=piece.name, input=piece.arguments)
        else:
            call.function = CalledFunction(name=piece.name, arguments=piece.arguments)
        if piece.signature is not None:
            call.extra_content = extra_content(piece.signature)
            self._details.append(piece.signature)
        self._calls.append(call)

    def build(self, reader: CandidateReader, expected: Expected) -> AssistantResponse:
        is_silent = bool(self._calls or self._audio or self._images)
        text = "".join(self._texts)
        message = AssistantResponse(content=None if is_silent and not text else text, refusal=self._refusal)
        if self._thoughts:
            message.reasoning = message.reasoning_content = "".join(self._thoughts)
        message.tool_calls = self._calls or UNSET
        message.reasoning_details = self._details or UNSET
        message.images = self._images or UNSET
        message.annotations = reader.annotations()
        if self._text_signature is not None:
            message.extra_content = extra_content(self._text_signature)
        if self._audio:
            message.audio = MessageAudio(
                id=f"audio_{expected.request_id}",
                data="".join(self._audio),
                expires_at=expected.created,
                transcript="",
            )
        return message
