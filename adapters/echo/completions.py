"""Legacy text completions of the echo model; pure, knows neither time nor failures."""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct

from adapters.base import Deployment, Losses
from adapters.echo import tokens
from adapters.echo.answer import LOGPROB_COST, MAX_CHOICES
from adapters.echo.directives import MAX_TOKENS, Directives, read_directives, split_prefix
from adapters.errors import ErrorKind, ProviderError
from schemas.completions import Completion, CompletionChoice, CompletionRequest
from schemas.usage import Usage


class TextChoice(Struct, frozen=True):
    """The text of a choice, how many tokens of it were generated, and whether it was cut."""

    text: str
    tokens: int
    is_cut: bool

    @property
    def finish_reason(self) -> Literal["stop", "length"]:
        """Why the text ended."""
        return "length" if self.is_cut else "stop"


class TextAnswer(Struct, frozen=True, kw_only=True):
    """What all choices say, in order."""

    directives: Directives
    choices: tuple[TextChoice, ...]
    logprobs: bool
    usage: Usage | None


def answer(request: CompletionRequest, deployment: Deployment, losses: Losses) -> TextAnswer:
    """Return the answer: each prompt is echoed `n` times."""
    for name in ("best_of", "suffix"):
        if getattr(request, name) is not None:
            losses.drop(name)
    prompts = _prompts(request.prompt)
    prefix, _ = split_prefix(prompts[0])
    directives = read_directives(deployment.options, "", prefix)
    n = request.n or 1
    if not 1 <= n * len(prompts) <= MAX_CHOICES:
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"At most {MAX_CHOICES} choices are possible.", param="n")
    choices = tuple(_choice(prompt, request, directives, deployment) for prompt in prompts for _ in range(n))
    usage = Usage(
        prompt_tokens=sum(map(tokens.count, prompts)),
        completion_tokens=sum(choice.tokens for choice in choices),
        cached_tokens=0,
    )
    return TextAnswer(
        directives=directives,
        choices=choices,
        logprobs=request.logprobs is not None,
        usage=None if directives.usage == "off" else usage,
    )


def to_completion(answer: TextAnswer, *, answer_id: str, model: str, created: int) -> Completion:
    """Return the whole answer."""
    choices = [
        CompletionChoice(
            text=choice.text,
            index=index,
            finish_reason=choice.finish_reason,
            logprobs=_logprobs(choice.text, 0) if answer.logprobs else None,
        )
        for index, choice in enumerate(answer.choices)
    ]
    usage = UNSET if answer.usage is None else answer.usage.to_completion_usage()
    return Completion(id=answer_id, choices=choices, created=created, model=model, usage=usage)


def to_chunks(answer: TextAnswer, *, answer_id: str, model: str, created: int) -> Iterator[list[Completion]]:
    """Yield one step for each piece of each choice, and one for all ends together."""
    for index, planned in enumerate(answer.choices):
        offset = 0
        for piece in tokens.pieces(planned.text, answer.directives.chunk):
            logprobs = _logprobs(piece, offset) if answer.logprobs else None
            choice = CompletionChoice(text=piece, index=index, logprobs=logprobs)
            yield [Completion(id=answer_id, choices=[choice], created=created, model=model)]
            offset += len(piece)
    ends = [
        CompletionChoice(text="", index=index, finish_reason=choice.finish_reason)
        for index, choice in enumerate(answer.choices)
    ]
    yield [Completion(id=answer_id, choices=[end], created=created, model=model) for end in ends]


def _prompts(prompt: str | list[str | int | list[int]] | None) -> list[str]:
    """Return the prompts as texts; token ids are echoed as numbers."""
    if not prompt:
        return [""]
    if isinstance(prompt, str):
        return [prompt]
    texts = [item for item in prompt if isinstance(item, str)]
    lists = [" ".join(map(str, item)) for item in prompt if isinstance(item, list)]
    numbers = [str(item) for item in prompt if isinstance(item, int)]
    return texts or lists or [" ".join(numbers)]


def _choice(prompt: str, request: CompletionRequest, directives: Directives, deployment: Deployment) -> TextChoice:
    _, text = split_prefix(prompt)
    said = text if directives.tokens is None else tokens.repeat(text, directives.tokens)
    for mark in [request.stop] if isinstance(request.stop, str) else request.stop or ():
        if mark:
            said = said.partition(mark)[0]
    asked = MAX_TOKENS if request.max_tokens is None else request.max_tokens
    per_token = (request.n or 1) * (LOGPROB_COST if request.logprobs is not None else 1)
    budget = min(asked, deployment.max_output_tokens or MAX_TOKENS, MAX_TOKENS // per_token)
    shown = tokens.cut(said, budget)
    return TextChoice((text if request.echo else "") + shown, tokens.count(shown), len(shown) < len(said))


def _logprobs(text: str, offset: int) -> Raw:
    pieces = list(tokens.pieces(text))
    legacy: Mapping[str, object] = {
        "tokens": pieces,
        "token_logprobs": [0.0] * len(pieces),
        "top_logprobs": [{piece: 0.0} for piece in pieces],
        "text_offset": [offset + position * tokens.CHARS_PER_TOKEN for position in range(len(pieces))],
    }
    return Raw(msgspec.json.encode(legacy))
