import base64
import os
from uuid import UUID

import pytest

from adapters.base import Secret
from aqueduct.catalog.secrets import SecretBox, SecretError

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.urlsafe_b64encode(b"\xff" * 32).decode()
PROVIDER, OTHER_PROVIDER = UUID(int=1), UUID(int=2)
TEXT = "sk-live-1234 with ünicode"


def test_encrypted_secret_opens_again_and_never_looks_the_same():
    box = SecretBox(KEY)
    first, second = box.encrypt(TEXT, PROVIDER), box.encrypt(TEXT, PROVIDER)
    assert first.startswith("enc:v1:")
    assert first != second
    assert "sk-live" not in first
    assert box.resolve(first, PROVIDER, {}) == Secret(TEXT)


def test_encrypted_secret_of_another_row_does_not_open():
    box = SecretBox(KEY)
    with pytest.raises(SecretError, match="another row"):
        box.decrypt(box.encrypt(TEXT, PROVIDER), OTHER_PROVIDER)


def test_encrypted_secret_after_the_key_changed_opens_with_the_previous_one():
    stored = SecretBox(KEY).encrypt(TEXT, PROVIDER)
    assert SecretBox(OTHER_KEY, (KEY,)).decrypt(stored, PROVIDER) == TEXT
    with pytest.raises(SecretError, match="does not open"):
        SecretBox(OTHER_KEY).decrypt(stored, PROVIDER)


@pytest.mark.parametrize("stored", ["enc:v1:", "enc:v1:AAAA", "enc:v1:not base64", "enc:v1:" + "A" * 400, "enc:v1:é"])
def test_encrypted_secret_that_is_damaged_is_refused(stored):
    with pytest.raises(SecretError):
        SecretBox(KEY).resolve(stored, PROVIDER, {})


@pytest.mark.parametrize("stored", ["sk-live-1234", "ENV:X", "enc:v2:AAAA"])
def test_secret_in_plain_text_is_refused_and_not_repeated(stored):
    with pytest.raises(SecretError) as caught:
        SecretBox(KEY).resolve(stored, PROVIDER, {"X": "y"})
    assert stored not in str(caught.value)


def test_secret_from_the_environment_is_read_and_hidden():
    secret = SecretBox(None).resolve("env:A_KEY", PROVIDER, {"A_KEY": f" {TEXT}\n"})
    assert secret == Secret(TEXT)
    assert "sk-live" not in f"{secret!r} {secret}"


@pytest.mark.parametrize("environment", [{}, {"A_KEY": ""}, {"A_KEY": " "}])
def test_secret_from_an_unset_variable_is_refused_by_name(environment):
    with pytest.raises(SecretError, match="A_KEY"):
        SecretBox(None).resolve("env:A_KEY", PROVIDER, environment)


@pytest.mark.parametrize("stored", [None, ""])
def test_secret_that_is_not_set_is_none(stored):
    assert SecretBox(None).resolve(stored, PROVIDER, {}) is None


def test_secret_box_without_a_key_names_the_variable():
    with pytest.raises(SecretError, match="AQUEDUCT_SECRET_KEY"):
        SecretBox(None).encrypt(TEXT, PROVIDER)
    with pytest.raises(SecretError, match="AQUEDUCT_SECRET_KEY"):
        SecretBox(None).decrypt(SecretBox(KEY).encrypt(TEXT, PROVIDER), PROVIDER)


@pytest.mark.parametrize("key", ["", "hunter2", base64.b64encode(os.urandom(16)).decode(), "é" * 44])
def test_secret_box_with_a_bad_key_says_how_to_make_one(key):
    with pytest.raises(SecretError, match="openssl rand -base64 32"):
        SecretBox(key)
