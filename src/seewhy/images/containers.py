"""The outside of a picture file: take only what is needed to draw it, before any decoder sees it.

`open_container` walks the parts of a PNG, JPEG or WEBP file, reads its size and orientation, and writes a lean
file that holds one frame and no metadata. So bombs in text chunks, colour profiles, EXIF or later frames never
reach the decoder, the size is known before memory is spent, and Pillow has nothing to warn about (its warnings
cannot be silenced safely with several threads). Formats: PNG third edition (W3C 2025), ITU-T T.81 and the
WebP container specification.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Format = Literal["PNG", "JPEG", "WEBP"]

# Far above any real file; walking this many parts takes about a tenth of a second.
_MAX_PARTS = 100_000
_PNG = b"\x89PNG\r\n\x1a\n"
_KEPT_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
# Huffman tables, arithmetic tables, quantisation, restart interval, JFIF and Adobe (they name the colours).
_KEPT_SEGMENTS = (0xC4, 0xCC, 0xDB, 0xDD, 0xE0, 0xEE)
_FRAME_HEADERS = tuple(code for code in range(0xC0, 0xD0) if code not in (0xC4, 0xC8, 0xCC))
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_FILL = re.compile(rb"\xff\xff+")
_ORIENTATION_TAG = 0x0112


class Unreadable(Exception):
    """Why a file cannot be used, as the end of a sentence that starts with its name."""


@dataclass
class Container:
    """What the outside of a file says, and a lean copy of it."""

    format: Format
    size: tuple[int, int] = (0, 0)
    """(height, width) in pixels, the largest that any kept part declares."""
    body: list[bytes] = field(default_factory=list)
    exif: bytes = b""
    n_frames: int = 1
    n_scans: int = 1
    notes: list[str] = field(default_factory=list)


def open_container(data: bytes) -> Container:
    """Recognise a file by its first bytes and strip it.

    Raises
    ------
    Unreadable
        If the file is empty, cut short, of another kind, or its parts do not fit together.
    """
    if not data:
        raise Unreadable("is empty (0 bytes)")
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    raise Unreadable(f"is {kind_of(data)}")


def kind_of(data: bytes) -> str:
    """What a file that is not a readable picture looks like, with its article."""
    for start, kind in _OTHER_KINDS:
        if data.startswith(start):
            return kind
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return {b"avif": "an AVIF picture", b"avis": "an AVIF picture"}.get(
            brand, "a HEIC picture" if brand in _HEIC_BRANDS else "an MP4 or similar film"
        )
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "an SVG drawing"
    if head.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if head and all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return "a text file"
    return "of an unknown kind"


_OTHER_KINDS = (
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"8BPS", "a Photoshop picture"),
    (b"\0\0\1\0", "an ICO icon"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"%PDF", "a PDF document"),
    (b"\x93NUMPY", "a NumPy array file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF", "an HDF5 file"),
)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def _png(data: bytes) -> Container:
    found = Container("PNG", body=[_PNG])
    position, header = len(_PNG), b""
    for _ in range(_MAX_PARTS):
        length, kind = _unpack(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise Unreadable(f"is cut short: a part needs {end} bytes, the file has {len(data)}")
        body = data[position + 8 : end - 4]
        if (kind == b"IHDR") == bool(header):
            raise Unreadable("is damaged: a PNG starts with one header")
        if kind == b"IHDR":
            header = body
            width, height, depth, _ = _unpack(">IIBB", body, 0)
            found.size = height, width
            if depth == 16:
                found.notes.append("16 bits a channel cut to 8")
        elif kind == b"acTL":
            found.n_frames = max(1, _unpack(">I", body, 0)[0])
        elif kind == b"eXIf":
            found.exif = body
        if kind == b"tRNS" and header[8:10] == b"\x10\x02":
            # Pillow would compare 16-bit colours with pixels that it has cut to 8 bits.
            found.notes.append("transparent colour ignored")
        elif kind in _KEPT_CHUNKS:
            found.body.append(data[position:end])
        if kind == b"IEND":
            return found
        position = end
    raise Unreadable(f"is damaged: it has more than {_MAX_PARTS} parts")


def _jpeg(data: bytes) -> Container:
    found = Container("JPEG", body=[b"\xff\xd8"], n_scans=0)
    position = 2
    for _ in range(_MAX_PARTS):
        marker = _NEXT_MARKER.search(data, position)
        if marker is None:
            raise Unreadable("is cut short: the end-of-image mark is missing")
        start, code = marker.start(), data[marker.start() + 1]
        if code == 0xD9:
            found.body.append(b"\xff\xd9")
            if found.size == (0, 0) or found.n_scans == 0:
                raise Unreadable("is damaged: it has no picture data")
            return found
        if code in (0x01, 0xD8):
            position = start + 2
            continue
        (length,) = _unpack(">H", data, start + 2)
        position = start + 2 + max(2, length)
        if position > len(data):
            raise Unreadable(f"is cut short: a part needs {position} bytes, the file has {len(data)}")
        body = data[start + 4 : position]
        if code in _FRAME_HEADERS:
            if found.size != (0, 0):
                raise Unreadable("is damaged: it has two frame headers")
            height, width = _unpack(">HH", body, 1)
            found.size = height, width
        elif code == 0xE1 and body.startswith(b"Exif\0\0") and not found.exif:
            found.exif = body
        if code == 0xDA:
            found.n_scans += 1
            after = _NEXT_MARKER.search(data, position)
            position = after.start() if after else len(data)
            # A decoder that is fed piece by piece starts a run of fill bytes anew with every piece.
            found.body.append(_FILL.sub(b"\xff", data[start:position]).removesuffix(b"\xff"))
        elif code in _FRAME_HEADERS or code in _KEPT_SEGMENTS:
            found.body.append(data[start:position])
    raise Unreadable(f"is damaged: it has more than {_MAX_PARTS} parts")


def _webp(data: bytes) -> Container:
    found = Container("WEBP")
    (length,) = _unpack("<I", data, 4)
    if length + 8 > len(data):
        raise Unreadable(f"is cut short: it declares {length + 8} bytes, the file has {len(data)}")
    kept, n_frames = b"", 0
    for kind, body in _riff_chunks(data, 12, length + 8):
        if kind == b"VP8X":
            flags, width, height = body[:1], body[4:7], body[7:10]
            if len(body) != 10 or found.size != (0, 0):
                raise Unreadable("is damaged: its header does not fit")
            found.size = int.from_bytes(height, "little") + 1, int.from_bytes(width, "little") + 1
            # Of its flags only animation and alpha describe what is kept.
            body = bytes([flags[0] & 0x12]) + body[1:]
        elif kind == b"EXIF":
            found.exif = body
        elif kind == b"ANMF":
            n_frames += 1
            for inner, bits in _riff_chunks(body, 16, len(body)) if n_frames == 1 else ():
                found.size = _larger(found.size, _bitstream_size(inner, bits))
        elif kind in (b"VP8 ", b"VP8L"):
            found.size = _larger(found.size, _bitstream_size(kind, body))
        if kind in (b"VP8X", b"ANIM", b"ALPH", b"VP8 ", b"VP8L") or (kind == b"ANMF" and n_frames == 1):
            kept += kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    found.n_frames = max(1, n_frames)
    found.body = [b"RIFF", struct.pack("<I", len(kept) + 4), b"WEBP", kept]
    return found


def _riff_chunks(data: bytes, position: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    for _ in range(_MAX_PARTS):
        if position + 8 > end:
            return
        kind, length = _unpack("<4sI", data, position)
        if position + 8 + length > end:
            raise Unreadable(f"is damaged: a part of {length} bytes does not fit into it")
        yield kind, data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
    raise Unreadable(f"is damaged: it has more than {_MAX_PARTS} parts")


def _bitstream_size(kind: bytes, body: bytes) -> tuple[int, int]:
    """(height, width) that the head of a WEBP bitstream declares."""
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = _unpack("<HH", body, 6)
        return height & 0x3FFF, width & 0x3FFF
    if kind == b"VP8L" and body[:1] == b"\x2f":
        (bits,) = _unpack("<I", body, 1)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    return 0, 0


def _larger(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return max(a[0], b[0]), max(a[1], b[1])


def _unpack(form: str, data: bytes, position: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(form, data, position)
    except struct.error:
        raise Unreadable(f"is cut short after {len(data)} bytes") from None


def orientation(exif: bytes) -> int:
    """The orientation tag of an EXIF block, 1 to 8; 1 (upright) if there is none that makes sense.

    Only the first directory is looked at, entry by entry, so a hostile block costs nothing.

    >>> orientation(b"")
    1
    """
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(order + "I", block, 4)
        (n_entries,) = struct.unpack_from(order + "H", block, start)
        for entry in range(n_entries):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", block, start + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG:
                return int(value) if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
