"""What images, documents, audio and video of a request become, and what is refused."""

import pytest

from tests.adapters.bedrock.translate import DATA, refused, turns


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{DATA}"}},
            {"image": {"format": "jpeg", "source": {"bytes": DATA}}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "s3://bucket/a.b/kiwi.JPG"}},
            {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.b/kiwi.JPG"}}}},
        ),
        (
            {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{DATA}"}},
            {"video": {"format": "mp4", "source": {"bytes": DATA}}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}},
            {"audio": {"format": "wav", "source": {"bytes": DATA}}},
        ),
        (
            {"type": "file", "file": {"file_data": f"data:text/csv;base64,{DATA}", "filename": "a.b__c.csv"}},
            {"document": {"format": "csv", "name": "a b c csv", "source": {"bytes": DATA}}},
        ),
        (
            {"type": "file", "file": {"file_data": "JVBERi0x"}},
            {"document": {"format": "pdf", "name": "document", "source": {"bytes": "JVBERi0x"}}},
        ),
        (
            {"type": "file", "file": {"file_data": f"data:image/png;base64,{DATA}"}},
            {"image": {"format": "png", "source": {"bytes": DATA}}},
        ),
    ],
)
def test_media_becomes_bytes_or_an_address_of_the_providers_store(part: dict, block: dict) -> None:
    text = {"type": "text", "text": "Look:"}
    assert turns([{"role": "user", "content": [text, part]}])[0][1] == [{"text": "Look:"}, block]


def test_documents_have_names_of_their_own_and_a_text_beside_them() -> None:
    pdf = {"type": "file", "file": {"file_data": "JVBERi0x"}}
    call_ = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    made = turns(
        [
            {"role": "user", "content": [pdf]},
            {"role": "assistant", "tool_calls": [call_]},
            {"role": "tool", "tool_call_id": "c1", "content": [pdf]},
            {"role": "user", "content": [{"type": "text", "text": "And?"}, pdf]},
        ]
    )
    first, last = made[0][1], made[2][1]
    assert list(first[0]) == ["text"]
    assert first[1]["document"]["name"] == "document"
    assert last[0]["toolResult"]["content"][0]["document"]["name"] == "document (2)"
    assert [block.get("document", {}).get("name") for block in last[1:]] == [None, "document (3)"]


def test_media_of_an_earlier_answer_follow_in_the_users_turn() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}
    answer = {"role": "assistant", "content": "Here:", "images": [image]}
    made = turns([{"role": "user", "content": "Draw"}, answer, {"role": "user", "content": "Nice"}])
    assert made[1] == ("assistant", [{"text": "Here:"}])
    assert [next(iter(block)) for block in made[2][1]] == ["text", "image", "text"]


@pytest.mark.parametrize(
    ("part", "kind", "param"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
            "unsupported_parameter",
            "image_url.url",
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AA=="}},
            "unsupported_parameter",
            "image_url.url",
        ),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,A_A="}}, "invalid_request", "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "s3://bucket/a.tiff"}}, "unsupported_parameter", "image_url.url"),
        (
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "x"}},
            "unsupported_parameter",
            "input_audio.format",
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, "unsupported_parameter", "file.file_id"),
    ],
)
def test_media_that_cannot_be_carried_is_refused_with_its_path(part: dict, kind: str, param: str) -> None:
    error = refused({"messages": [{"role": "user", "content": [part]}]})
    assert (error.kind, error.param) == (kind, f"messages[0].content[0].{param}")
