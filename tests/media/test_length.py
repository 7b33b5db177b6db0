"""How long a recording is: exact for WAV, by the bit rate for MP3, unknown for the rest."""

import base64
import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.media.length import seconds_of


def wav(seconds: float, rate: int = 8000, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(int(seconds * rate) * 2 * channels))
    return out.getvalue()


def mp3(seconds: int, *, tag: int = 0, kbits: int = 64, version_1: bool = True) -> bytes:
    header = bytes((0xFF, 0xFB if version_1 else 0xF3, {64: 0x50 if version_1 else 0x80}[kbits], 0xC4))
    sized = bytes((tag >> 21 & 0x7F, tag >> 14 & 0x7F, tag >> 7 & 0x7F, tag & 0x7F))
    tagged = b"ID3\x04\x00\x00" + sized + bytes(tag) if tag else b""
    return tagged + header + bytes(seconds * kbits * 125 - 4)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (wav(2.0), 3),  # its header takes a bit of a second too
        (wav(0.5, 44_100, 2), 1),
        (mp3(7), 7),
        (mp3(7, version_1=False), 7),
        (mp3(7, tag=1000), 8),
        (mp3(7, tag=60_000), None),
        (b"OggS" + bytes(5000), None),
        (b"RIFF0000WAVE", None),
        (b"RIFF0000WAVEfmt " + bytes(40), None),
        (b"ID3", None),
        (b"\xff\xfb", None),
        (b"", None),
    ],
)
def test_length_is_known_of_what_says_so(data: bytes, seconds: int | None) -> None:
    assert seconds_of(encoded(data)) == seconds
    assert seconds_of(f"data:audio/wav;base64,{encoded(data)}") == seconds


@given(st.text(max_size=300) | st.binary(max_size=300).map(encoded))
def test_length_of_anything_is_a_number_or_unknown(data: str) -> None:
    found = seconds_of(data)
    assert found is None or found >= 0
