"""Signatures equal those of AWS's published test suite and of its own SDK."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from adapters.bedrock.signing import Credentials, Scope, parse_credentials, sign

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
SUITE = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key=SECRET)


# `aws-sig-v4-test-suite`: get-vanilla, post-vanilla, get-vanilla-query-order-key-case.
@pytest.mark.parametrize(
    ("method", "path", "signature"),
    [
        ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("GET", "/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ],
)
def test_signature_equals_the_published_one(method: str, path: str, signature: str) -> None:
    scope = Scope(region="us-east-1", service="service")
    headers = sign(method, f"https://example.amazonaws.com{path}", b"", credentials=SUITE, scope=scope, at=AT)
    assert headers == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}",
    }


# Computed with botocore 1.40's SigV4Auth: a path that is encoded is encoded again, and a token is signed.
@pytest.mark.parametrize(
    ("url", "body", "secret", "signature"),
    [
        (
            (
                "https://bedrock-runtime.us-east-1.amazonaws.com"
                "/model/us.anthropic.claude-3-7-sonnet-20250219-v1%3A0/converse"
            ),
            b'{"messages":[]}',
            f"AKIDEXAMPLE00000:{SECRET}",
            "3c0529dbd4bdf557d7a9eade6d36b63dff7b2b410e312471d3c6b3956d27ab40",
        ),
        (
            (
                "https://bedrock-runtime.eu-west-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012"
                "%3Aapplication-inference-profile%2Fabc/converse-stream"
            ),
            b"{}",
            f"ASIDEXAMPLE00000:{SECRET}:tok/en+==",
            "e3ad15acc299df266e8f7060fb6363731a28fd8384af493b6716c46f5f3673c3",
        ),
    ],
)
def test_signature_equals_that_of_the_sdk(url: str, body: bytes, secret: str, signature: str) -> None:
    credentials = parse_credentials(secret)
    assert credentials is not None
    scope = Scope(region=url.split(".")[1], service="bedrock")
    headers = sign("POST", url, body, credentials=credentials, scope=scope, at=AT)
    assert headers["authorization"].endswith(f"Signature={signature}")
    assert headers.get("x-amz-security-token") == credentials.session_token


def test_signature_of_a_time_elsewhere_is_of_the_same_moment() -> None:
    scope = Scope(region="us-east-1", service="service")
    there = AT.astimezone(timezone(timedelta(hours=13)))
    one, other = (
        sign("GET", "https://example.amazonaws.com/", b"", credentials=SUITE, scope=scope, at=at) for at in (AT, there)
    )
    assert one == other


@pytest.mark.parametrize(
    "secret",
    ["ABSKQmVkcm9ja0FQSUtleS0xMjM0==", "bedrock-api-key-YmVkcm9jaw==", "AKID:x", f"AKIDEXAMPLE00000:{SECRET}:a:b"],
)
def test_secret_of_another_form_is_no_access_key(secret: str) -> None:
    assert parse_credentials(secret) is None


def test_credentials_never_show_themselves() -> None:
    assert SECRET not in f"{SUITE} {SUITE!r}"
