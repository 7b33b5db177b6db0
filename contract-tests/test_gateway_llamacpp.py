"""A genuine llama.cpp server with a real model behind the gateway, read by the official client through it and directly.

What is asked leaves the model no doubt (its answers are far ahead of the next best), so that no processor's rounding
matters. The gateway must give what the server gives.
"""

import itertools
import json
import math
import time
from typing import Any, Literal

import openai
import pydantic
import pytest
from llama_fixtures import ONCE, QUESTION, counts, meaning, streamed, whole
from llama_server import CONTEXT_TOKENS, Llama
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion
from openai.types.chat.chat_completion_token_logprob import ChatCompletionTokenLogprob
from running_gateway import RunningGateway


class Capital(pydantic.BaseModel):
    capital: str
    population: Literal["small", "large"]


def log_probabilities(answer: ChatCompletion) -> list[ChatCompletionTokenLogprob]:
    found = answer.choices[0].logprobs
    assert found is not None
    assert found.content is not None
    return found.content


# --- text


def test_answer_is_what_the_server_gives_whole_and_streamed_and_is_booked(
    llama_client: openai.OpenAI, llama_direct: openai.OpenAI, llama_gateway: RunningGateway
) -> None:
    given, answer, stream = whole(llama_direct), whole(llama_client), streamed(llama_client)

    assert "Paris" in (given.choices[0].message.content or "")
    assert meaning(answer) == meaning(stream) == meaning(given)
    assert answer.choices[0].finish_reason == "stop"
    assert counts(answer) == counts(stream) == counts(given)
    rows = llama_gateway.rows(2)
    assert [(row["prompt_tokens"], row["completion_tokens"]) for row in rows] == [counts(given)[:2]] * 2
    assert {row["usage_source"] for row in rows} == {"provider"}


def test_usage_is_what_the_servers_tokenizer_counts(llama_client: openai.OpenAI, llama: Llama) -> None:
    messages = [{"role": "system", "content": "Count."}, {"role": "user", "content": "One, two, drei, quatre. 🦆"}]
    cut = whole(llama_client, messages=messages, max_tokens=5, extra_body={"ignore_eos": True})

    assert cut.choices[0].finish_reason == "length"
    assert counts(cut)[:2] == (llama.count_tokens(llama.prompt(messages=messages)), 5)
    ended = whole(llama_client)
    assert counts(ended)[0] == llama.count_tokens(llama.prompt(messages=QUESTION))
    # The mark that ends the answer is a token too.
    assert counts(ended)[1] == llama.count_tokens(ended.choices[0].message.content or "") + 1


def test_earlier_turns_are_part_of_the_prompt(llama_client: openai.OpenAI) -> None:
    messages = [
        {"role": "user", "content": "My cat is called Whiskers."},
        {"role": "assistant", "content": "What a nice name."},
        {"role": "user", "content": "What is my cat called?"},
    ]
    assert "Whiskers" in (whole(llama_client, messages=messages).choices[0].message.content or "")


def test_prompt_that_the_server_has_cached_is_told_and_booked(
    llama_client: openai.OpenAI, llama_gateway: RunningGateway
) -> None:
    wish = {"extra_body": ONCE, "max_tokens": 1}
    whole(llama_client, **wish)
    usage = whole(llama_client, **wish).usage

    assert usage is not None
    assert usage.prompt_tokens_details is not None
    cached = usage.prompt_tokens_details.cached_tokens
    assert cached
    assert 0 < cached <= usage.prompt_tokens
    assert llama_gateway.rows(2)[1]["cached_tokens"] == cached


@pytest.mark.parametrize("ask", [whole, streamed])
def test_stop_sequence_ends_the_answer_before_it(llama_client: openai.OpenAI, ask: Any) -> None:
    messages = [{"role": "user", "content": "Count from one to ten: 1, 2, 3,"}]
    choice = ask(llama_client, messages=messages, stop=["9", "7"]).choices[0]
    assert choice.finish_reason == "stop"
    assert "6" in choice.message.content
    assert "7" not in choice.message.content


def test_seed_makes_a_random_answer_repeatable(llama_client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "Tell me a story."}]

    def told(seed: int) -> object:
        return (
            whole(llama_client, messages=messages, seed=seed, temperature=1.5, max_tokens=12).choices[0].message.content
        )

    assert told(1) == told(1)
    assert len({told(seed) for seed in range(2, 5)}) > 1


def test_several_answers_come_from_a_server_that_gives_one_at_a_time(
    llama_client: openai.OpenAI, llama_gateway: RunningGateway, llama_direct: openai.OpenAI
) -> None:
    with pytest.raises(openai.BadRequestError):
        whole(llama_direct, n=2)
    answer = whole(llama_client, n=2, seed=1, temperature=1.5, max_tokens=8)

    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[0].message.content != answer.choices[1].message.content
    (row,) = llama_gateway.rows(1)
    assert (row["attempts"], row["completion_tokens"]) == (1, counts(answer)[1])


# --- log probabilities


def test_log_probabilities_are_those_of_the_text(llama_client: openai.OpenAI, llama_direct: openai.OpenAI) -> None:
    wish = {"logprobs": True, "top_logprobs": 3}
    given, answer, stream = whole(llama_direct, **wish), whole(llama_client, **wish), streamed(llama_client, **wish)

    tokens = log_probabilities(answer)
    text = answer.choices[0].message.content or ""
    assert "".join(token.token for token in tokens) == text
    assert b"".join(bytes(token.bytes or []) for token in tokens) == text.encode()
    for token in tokens:
        likely = [(other.token, other.logprob) for other in token.top_logprobs]
        assert likely[0] == (token.token, token.logprob)  # at temperature 0 the likeliest is taken
        assert likely == sorted(likely, key=lambda pair: -pair[1])
        assert sum(math.exp(logprob) for _, logprob in likely) <= 1.001
    # The server names the mark that ends the answer, as a token without text, but not in a stream.
    for other, same in ((log_probabilities(given), tokens), (log_probabilities(stream), tokens[:-1])):
        assert [token.token for token in other] == [token.token for token in same]
        assert [token.logprob for token in other] == pytest.approx([token.logprob for token in same], abs=1e-3)


@pytest.mark.parametrize("ask", [whole, streamed])
def test_characters_of_several_tokens_arrive_unbroken(llama_client: openai.OpenAI, ask: Any) -> None:
    grammar = {"grammar": 'root ::= "Ça 🦆 va"'}  # a parameter of this server alone
    answer = ask(llama_client, extra_body=grammar, logprobs=True)

    assert answer.choices[0].message.content == "Ça 🦆 va"
    assert b"".join(bytes(token.bytes or []) for token in log_probabilities(answer)) == "Ça 🦆 va".encode()


def test_logit_bias_changes_the_answer(llama_client: openai.OpenAI, llama_direct: openai.OpenAI) -> None:
    wish = {"logit_bias": {"30": -100}, "max_tokens": 12}  # no full stop
    assert meaning(whole(llama_client, **wish)) == meaning(whole(llama_direct, **wish)) != meaning(whole(llama_client))


# --- structured output


def test_schema_is_kept_whole_and_streamed(llama_client: openai.OpenAI) -> None:
    asked: list[Any] = [{"role": "user", "content": "What is the capital of France? Answer as JSON."}]
    parsed = llama_client.chat.completions.parse(
        model="local", messages=asked, response_format=Capital, max_tokens=100, temperature=0
    )
    stream = streamed(llama_client, messages=asked, response_format=Capital, max_tokens=100)

    assert parsed.choices[0].message.parsed is not None
    assert parsed.choices[0].message.parsed.capital == "Paris"
    assert meaning(stream) == meaning(parsed)


def test_json_object_is_one_whole_and_streamed(llama_client: openai.OpenAI) -> None:
    asked = [
        {"role": "user", "content": "What is the capital of Italy?"},
        {"role": "assistant", "content": '{"capital": "Rome"}'},
        *QUESTION,
    ]
    wish: dict[str, Any] = {"messages": asked, "response_format": {"type": "json_object"}, "max_tokens": 100}
    answer = whole(llama_client, **wish)

    assert json.loads(answer.choices[0].message.content or "") == {"capital": "Paris"}
    assert meaning(streamed(llama_client, **wish)) == meaning(answer)


# --- embeddings


def test_embeddings_order_sentences_by_meaning(
    llama_client: openai.OpenAI, llama_gateway: RunningGateway, llama_embedder: Llama
) -> None:
    sentences = ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "The stock market fell sharply today."]
    floats = llama_client.embeddings.create(model="local-vectors", input=sentences, encoding_format="float")
    packed = llama_client.embeddings.create(model="local-vectors", input=sentences)

    assert [item.index for item in floats.data] == [0, 1, 2]
    for exact, found in zip(floats.data, packed.data, strict=True):
        assert found.embedding == pytest.approx(exact.embedding, abs=1e-6)
    alike = {pair: similarity(floats, *pair) for pair in itertools.combinations(range(3), 2)}
    assert max(alike, key=alike.__getitem__) == (0, 1)
    assert alike[0, 1] > alike[0, 2] + 0.05
    counted = sum(map(llama_embedder.count_tokens, sentences))
    assert {(row["prompt_tokens"], row["usage_source"]) for row in llama_gateway.rows(2)} == {(counted, "provider")}
    with openai.OpenAI(base_url=llama_embedder.url, api_key="none") as llama_direct:
        given = llama_direct.embeddings.create(model="local-vectors", input=sentences, encoding_format="float")
    assert given.data[2].embedding == pytest.approx(floats.data[2].embedding, abs=1e-3)


def similarity(vectors: CreateEmbeddingResponse, one: int, other: int) -> float:
    a, b = vectors.data[one].embedding, vectors.data[other].embedding
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


# --- legacy completions


def test_legacy_completion_whole_and_streamed_say_what_the_server_says(
    llama_client: openai.OpenAI, llama_direct: openai.OpenAI
) -> None:
    wish: dict[str, Any] = {"model": "local", "prompt": "1, 2, 3, 4,", "max_tokens": 6, "temperature": 0}
    given, answer = llama_direct.completions.create(**wish), llama_client.completions.create(**wish, logprobs=2)
    chunks = list(llama_client.completions.create(**wish, stream=True))

    assert answer.choices[0].text.startswith(" 5, 6")
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == answer.choices[0].text
    assert answer.choices[0].text == given.choices[0].text
    assert answer.usage is not None
    assert given.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (given.usage.prompt_tokens, 6)
    assert answer.choices[0].logprobs is not None


# --- errors and clients that leave


@pytest.mark.parametrize("stream", [False, True])
def test_prompt_that_is_too_long_is_told_as_such(
    llama_client: openai.OpenAI, llama_gateway: RunningGateway, *, stream: bool
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        llama_client.chat.completions.create(
            model="local", messages=[{"role": "user", "content": "word " * 2 * CONTEXT_TOKENS}], stream=stream
        )

    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
    assert llama_gateway.rows(1)[0]["attempts"] == 1


@pytest.mark.parametrize("stream", [False, True])
def test_legacy_prompt_that_is_too_long_is_told_as_such(llama_client: openai.OpenAI, *, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        llama_client.completions.create(model="local", prompt="word " * 2 * CONTEXT_TOKENS, max_tokens=1, stream=stream)

    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize(("name", "value"), [("repeat_last_n", -7), ("min_p", [])])
def test_value_that_the_server_refuses_is_a_bad_request_that_names_the_parameter(
    llama_client: openai.OpenAI, llama_gateway: RunningGateway, name: str, value: object
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        whole(llama_client, extra_body={name: value}, max_tokens=1)

    assert caught.value.param == name
    assert isinstance(caught.value.code, str)
    assert llama_gateway.rows(1)[0]["attempts"] == 1


def test_bound_that_would_be_none_to_the_server_is_refused(llama_client: openai.OpenAI) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        with pytest.raises(openai.BadRequestError) as caught:
            llama_client.chat.completions.create(model="local", messages=QUESTION, **{name: -1})
        assert (caught.value.param, caught.value.code) == (name, "integer_below_min_value")


def test_bound_by_a_name_of_the_servers_own_is_left_out(llama_client: openai.OpenAI) -> None:
    fields: dict[str, Any] = {"extra_body": {"n_predict": 30, "ignore_eos": True}, "max_tokens": 3}
    raw = llama_client.chat.completions.with_raw_response.create(model="local", messages=QUESTION, **fields)

    assert raw.headers["x-aqueduct-dropped-params"] == "n_predict"
    assert counts(raw.parse())[1] == 3


def test_schema_that_the_server_cannot_read_is_a_bad_request(llama_client: openai.OpenAI) -> None:
    broken = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#/$defs/nowhere"}}}
    with pytest.raises(openai.BadRequestError) as caught:
        whole(llama_client, response_format=broken, max_tokens=1)

    assert "nowhere" in caught.value.message


def test_picture_for_a_model_without_eyes_is_a_bad_request_and_not_tried_again(
    llama_client: openai.OpenAI, llama_gateway: RunningGateway
) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aW1hZ2U="}}
    with pytest.raises(openai.BadRequestError) as caught:
        whole(llama_client, messages=[{"role": "user", "content": [picture]}], max_tokens=1)

    assert "image input is not supported" in caught.value.message
    assert llama_gateway.rows(1)[0]["attempts"] == 1


def test_operation_that_the_server_was_not_started_for_is_told_as_such_and_not_tried_again(
    llama_client: openai.OpenAI, llama_gateway: RunningGateway
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        llama_client.embeddings.create(model="local", input="x")

    assert "does not support embeddings" in caught.value.message
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    assert isinstance(caught.value.code, str)
    assert llama_gateway.rows(1)[0]["attempts"] == 1


def test_client_that_leaves_frees_the_server(
    llama_client: openai.OpenAI, llama_gateway: RunningGateway, llama: Llama
) -> None:
    bound = CONTEXT_TOKENS - 200
    stream = llama_client.chat.completions.create(
        model="local",
        messages=[{"role": "user", "content": "Tell me a long story."}],
        max_tokens=bound,
        stream=True,
        extra_body={"ignore_eos": True},
    )
    seen = list(itertools.islice(stream, 4))
    assert llama.is_busy()
    stream.close()

    until = time.monotonic() + 60
    while llama.is_busy():
        assert time.monotonic() < until, "the server goes on for nobody"
        time.sleep(0.05)
    (row,) = llama_gateway.rows(1)
    assert (row["status"], row["error_kind"]) == (499, "caller_disconnected")
    assert isinstance(row["completion_tokens"], int)
    assert len(seen) <= row["completion_tokens"] + 2 < bound
    assert "Paris" in (whole(llama_client).choices[0].message.content or "")
