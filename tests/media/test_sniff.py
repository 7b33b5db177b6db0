"""What bytes are is told by their beginning, whatever a server says of them."""

import pytest

from aqueduct.media.sniff import media_type_of

PNG = b"\x89PNG\r\n\x1a\n...."
ZIP = b"PK\x03\x04...."
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.mark.parametrize(
    ("data", "declared", "kind", "expected"),
    [
        (PNG, "text/html", "image", "image/png"),
        (PNG, "", "file", "image/png"),
        (PNG, "video/mp4", "video", None),
        (b"\xff\xd8\xff\xe0", "", "image", "image/jpeg"),
        (b"GIF89a..", "", "image", "image/gif"),
        (b"RIFF....WEBPVP8 ", "", "image", "image/webp"),
        (b"RIFF....WAVEfmt ", "image/webp", "image", None),
        (b"RIFF....WAVEfmt ", "", "audio", "audio/wav"),
        (b"ID3\x03", "", "audio", "audio/mpeg"),
        (b"\xff\xfb\x90", "", "audio", "audio/mpeg"),
        (b"OggS", "", "audio", "audio/ogg"),
        (b"fLaC", "", "audio", "audio/flac"),
        (b"....ftypM4A ", "", "audio", "audio/mp4"),
        (b"....ftypisom", "", "audio", None),
        (b"<html>", "audio/wav", "audio", None),
        (b"<svg xmlns='x'/>", "image/svg+xml", "image", None),
        (b"<html>login</html>", "image/png", "image", None),
        (b"\0\0\0\x18ftypheic", "", "image", "image/heic"),
        (b"\0\0\0\x18ftypisom", "", "video", "video/mp4"),
        (b"%PDF-1.7", "text/plain", "file", "application/pdf"),
        (b"a,b\n1,2\n", "text/csv; charset=utf-8", "file", "text/csv"),
        (b"hello", "application/octet-stream", "file", "text/plain"),
        (b"hello\0", "text/plain", "file", None),
        (b"\xe9t\xe9", "text/plain", "file", None),
        (b"", "text/plain", "file", None),
        (ZIP, DOCX, "file", DOCX),
        (ZIP, "application/zip", "file", None),
        (b"MZ\x90\0", "application/pdf", "file", None),
    ],
)
def test_media_type_is_that_of_the_bytes(data: bytes, declared: str, kind, expected: str | None) -> None:
    assert media_type_of(data, declared, kind) == expected
