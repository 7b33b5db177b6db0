"""How long a recording is, by its first bytes and its size; an estimate for what a provider did not report.

WAV says how many bytes a second takes (https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html); of MP3
the bit rate of the first frame is taken for all (http://mpgedit.org/mpgedit/mpeg_format/mpeghdr.htm).
"""

import base64
import binascii
import math
from typing import Final

HEAD_CHARS: Final = 4096
"""So much of the base64 is looked at; a longer tag before the sound hides it."""
_ID3_BYTES: Final = 10
_KBITS_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_KBITS_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
"""Of layer III by MPEG version 1, and 2 or 2.5."""


def seconds_of(data: str) -> int | None:
    """Return the whole seconds of a recording in base64, rounded up; None where its form is not known."""
    text = data.partition(",")[2] if data.startswith("data:") else data
    try:
        head = base64.b64decode(text[:HEAD_CHARS])
    except (binascii.Error, ValueError):
        return None
    size = len(text) * 3 // 4 - text[-2:].count("=")
    rate = _wav_rate(head) if head[:4] == b"RIFF" and head[8:12] == b"WAVE" else _mp3_rate(head)
    return math.ceil(size / rate) if rate else None


def _wav_rate(head: bytes) -> int:
    """Return the bytes a second, 0 where the header does not say."""
    place = head.find(b"fmt ")
    return int.from_bytes(head[place + 16 : place + 20], "little") if place > 0 else 0


def _mp3_rate(head: bytes) -> int:
    place = 0
    if head[:3] == b"ID3" and len(head) >= _ID3_BYTES:
        place = _ID3_BYTES + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    frame = head[place : place + 3]
    if len(frame) < 3 or frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2:
        return 0
    is_first = frame[1] & 0x18 == 0x18
    return (_KBITS_1 if is_first else _KBITS_2)[frame[2] >> 4] * 125
