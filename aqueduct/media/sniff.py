"""What fetched bytes are, by their own beginnings: what a server says of them is not believed; no I/O.

Signatures: https://mimesniff.spec.whatwg.org/ and the formats' own documents, checked 2026-11-26.
"""

from typing import Final

from adapters.media import MediaKind

_STARTS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"\xff\xf1", "audio/aac"),
    (b"\xff\xf9", "audio/aac"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"FLV\x01", "video/x-flv"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
)
_BRANDS: Final = {
    b"avif": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
    b"3gp4": "video/3gpp",
    b"3gp5": "video/3gpp",
}
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_TEXTS: Final = frozenset({"application/json", "application/xml", "application/yaml", "application/x-ndjson"})
_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\f\r\x1b"))


def media_type_of(data: bytes, declared: str, kind: MediaKind) -> str | None:
    """Return the media type of bytes that are to be of a kind, None where they are not.

    `declared` (what the server says) only tells texts, and documents that are all archives inside, from one another.
    """
    declared = declared.partition(";")[0].strip().lower()
    found = _by_start(data)
    if kind != "file":
        return found if found is not None and found.startswith(f"{kind}/") else None
    if found is not None:
        return found
    if data.startswith(b"PK\x03\x04"):
        return declared if declared.startswith(_OFFICE) else None
    if not data or not _is_text(data):
        return None
    return declared if declared.startswith("text/") or declared in _TEXTS else "text/plain"


def _by_start(data: bytes) -> str | None:
    for start, media_type in _STARTS:
        if data.startswith(start):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video/mp4")
    return None


def _is_text(data: bytes) -> bool:
    if data[:2048].translate(None, _CONTROLS) != data[:2048]:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
