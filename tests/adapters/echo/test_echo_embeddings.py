"""Embeddings of the echo model."""

import base64
import math
import struct

import msgspec
import pytest

from adapters.echo import EchoAdapter
from adapters.errors import ErrorKind
from schemas.embeddings import EmbeddingRequest
from tests.adapters.echo.asking import error_of, new_call


async def test_embeddings_are_unit_vectors_of_their_text_alone(echo: EchoAdapter) -> None:
    result = await echo.embeddings(EmbeddingRequest(model="m", input=["one", "two", "one"]), new_call())
    vectors = [item.embedding for item in result.body.data]
    assert vectors[0] == vectors[2] != vectors[1]
    assert [len(vector) for vector in vectors] == [256] * 3
    assert all(math.isclose(math.hypot(*vector), 1) for vector in vectors)
    assert [item.index for item in result.body.data] == [0, 1, 2]
    assert (result.usage.prompt_tokens, result.body.usage.total_tokens) == (3, 3)


async def test_embeddings_base64_is_the_same_vector_in_float32(echo: EchoAdapter) -> None:
    request = EmbeddingRequest(model="m", input="x", dimensions=7)
    plain = (await echo.embeddings(request, new_call())).body.data[0].embedding
    encoded = await echo.embeddings(msgspec.structs.replace(request, encoding_format="base64"), new_call())
    numbers = struct.unpack("<7f", base64.b64decode(encoded.body.data[0].embedding))
    assert numbers == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize("given", [[1, 2], [[1, 2], [3]], ["a"], "a"])
async def test_embeddings_every_form_of_input_is_taken(echo: EchoAdapter, given) -> None:
    result = await echo.embeddings(EmbeddingRequest(model="m", input=given, dimensions=2), new_call())
    assert len(result.body.data) == (2 if isinstance(given[0], list) else 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"input": []},
        {"input": ["x"] * 2049},
        {"input": "x", "dimensions": 0},
        {"input": "x", "dimensions": 8193},
        {"input": ["x"] * 2000, "dimensions": 8000},
    ],
)
async def test_embeddings_out_of_bounds_are_refused(echo: EchoAdapter, fields: dict) -> None:
    error = await error_of(echo.embeddings(EmbeddingRequest(model="m", **fields), new_call()))
    assert error.kind is ErrorKind.INVALID_REQUEST


async def test_embeddings_fail_as_told(echo: EchoAdapter) -> None:
    error = await error_of(echo.embeddings(EmbeddingRequest(model="m", input="[echo status=429] x"), new_call()))
    assert error.kind is ErrorKind.RATE_LIMIT
