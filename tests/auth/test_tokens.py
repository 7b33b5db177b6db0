import re

import pytest

from aqueduct.auth.credentials import credentials_from_headers
from aqueduct.auth.tokens import hash_token, new_token, token_from_text


def test_new_token_has_the_documented_form():
    token = new_token()
    assert re.fullmatch(r"aq_[A-Za-z0-9_-]{40}", token.text)
    assert token.prefix == token.text[:10]
    assert token.sha256 == hash_token(token.text.encode())
    assert credentials_from_headers([(b"x-api-key", token.text.encode())]) == token.text.encode()


def test_new_token_shown_hides_its_text():
    token = new_token()
    assert token.text not in f"{token!r} {token}"
    assert token.text[10:] not in f"{token!r}"


def test_new_tokens_differ():
    assert len({new_token().text for _ in range(100)}) == 100


def test_hash_token_is_sha256_in_hexadecimal():
    assert hash_token(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(("text", "prefix"), [("short", ""), ("x" * 29, ""), ("sk-" + "x" * 30, "sk-xxxxxxx")])
def test_token_from_text_shows_nothing_of_a_short_one(text, prefix):
    assert token_from_text(text).prefix == prefix
