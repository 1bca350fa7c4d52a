"""The outside of files: recognised, measured and stripped without a decoder."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from seewhy.images.containers import Unreadable, kind_of, open_container, orientation
from tests.images.made_pictures import chunk, exif_block, noise, png, saved

RGB = Image.fromarray(noise(17, 27))
RGBA = Image.fromarray(noise(17, 27, 4))
FRAMES = {"save_all": True, "append_images": [RGB.rotate(180), RGB.rotate(90)]}
FILES = {
    "png": saved(RGB),
    "palette": saved(RGB.quantize(8), transparency=bytes(range(8))),
    "jpeg": saved(RGB, "JPEG"),
    "progressive": saved(RGB, "JPEG", progressive=True),
    "cmyk": saved(RGB.convert("CMYK"), "JPEG"),
    "restarts": saved(RGB, "JPEG", restart_marker_blocks=1, subsampling=0),
    "jpeg without YCbCr": saved(RGB, "JPEG", keep_rgb=True),
    "lossy": saved(RGB, "WEBP"),
    "lossless": saved(RGBA, "WEBP", lossless=True),
    "alpha": saved(RGBA, "WEBP"),
    "animated": saved(RGB, "WEBP", **FRAMES),
    "apng": saved(RGB, "PNG", **FRAMES),
}
# The same numbers read as YCCK: the last byte of Adobe's segment is the colour transform.
ADOBE = FILES["cmyk"].index(b"Adobe") + 11
FILES["ycck"] = FILES["cmyk"][:ADOBE] + b"\2" + FILES["cmyk"][ADOBE + 1 :]


@pytest.mark.parametrize("name", FILES)
def test_the_lean_file_shows_the_same_picture(name: str) -> None:
    found = open_container(FILES[name])
    whole = Image.open(io.BytesIO(FILES[name]))
    lean = Image.open(io.BytesIO(b"".join(found.body)))
    assert found.size == (17, 27) and found.format == whole.format
    assert found.n_frames == getattr(whole, "n_frames", 1)
    assert lean.mode == whole.mode and getattr(lean, "n_frames", 1) == 1
    np.testing.assert_array_equal(np.asarray(lean.convert("RGBA")), np.asarray(whole.convert("RGBA")))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_metadata_is_left_out_but_exif_is_handed_over(kind: str) -> None:
    secret = b"x" * 5000
    options = {"icc_profile": secret, "exif": b"Exif\0\0" + exif_block(6)}
    data = saved(RGB, kind, **options, **({} if kind == "PNG" else {"xmp": b"<x>" + secret}))
    found = open_container(data)
    lean = b"".join(found.body)
    assert len(lean) < len(data) - 50 and b"xxxx" not in lean and b"Exif" not in lean
    assert orientation(found.exif) == 6


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(10))
def test_orientation_agrees_with_pillow(order: str, value: int) -> None:
    block = exif_block(value, order)
    theirs = Image.Exif()
    theirs.load(b"Exif\0\0" + block)
    expected = theirs.get(0x0112, 1)
    assert orientation(block) == orientation(b"Exif\0\0" + block) == (expected if 1 <= expected <= 8 else 1)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"Exif\0\0",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        b"junk" * 9,
        b"MM\0*\0\0\0\x08",
    ]
    + [exif_block(6)[:-9], exif_block(6).replace(b"\x12\x01", b"\x13\x01")],
)
def test_exif_that_makes_no_sense_means_upright(block: bytes) -> None:
    assert orientation(block) == 1


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_noticed(name: str) -> None:
    data = FILES[name]
    for length in range(len(data)):
        with pytest.raises(Unreadable, match="cut short|empty|unknown|damaged|is a text"):
            open_container(data[:length])


def test_bytes_after_the_end_are_not_looked_at() -> None:
    for name in ("png", "jpeg", "lossy"):
        assert open_container(FILES[name] + b"PK\x03\x04 anything").body == open_container(FILES[name]).body


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (FILES["png"][:33] + FILES["png"][8:], "a PNG starts with one header"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b""), "a PNG starts with one header"),
        (b"\xff\xd8\xff\xd9", "no picture data"),
        (FILES["jpeg"][:2] + FILES["jpeg"][2:-2] * 2 + b"\xff\xd9", "two frame headers"),
        (FILES["png"][:33] + chunk(b"tEXt", b"") * 100_001 + FILES["png"][33:], "more than 100000 parts"),
        (FILES["jpeg"][:2] + b"\xff\xfe\0\2" * 100_001 + FILES["jpeg"][2:], "more than 100000 parts"),
        (b"RIFF\x10\0\0\0WEBPVP8X\xff\xff\0\0abcd", "a part of 65535 bytes does not fit"),
        (b"RIFF\x10\0\0\0WEBPVP8X\4\0\0\0abcd", "header does not fit"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        open_container(data)


def test_the_largest_size_that_a_webp_declares_counts() -> None:
    data = bytearray(FILES["alpha"])
    at = data.index(b"VP8 ") + 14
    data[at : at + 4] = b"\xff\x3f\xff\x3f"
    assert open_container(bytes(data)).size == (16383, 16383)
    lossless = bytearray(FILES["lossless"])
    at = lossless.index(b"VP8L") + 9
    lossless[at : at + 4] = (0x0FFFFFFF).to_bytes(4, "little")
    assert open_container(bytes(lossless)).size == (16384, 16384)


def test_a_transparent_colour_of_16_bits_is_reported() -> None:
    data = png(1, 1, 16, 2, bytes(7), chunk(b"tRNS", bytes(6)))
    found = open_container(data)
    assert found.notes == ["16 bits a channel cut to 8", "transparent colour ignored"]
    assert b"tRNS" not in b"".join(found.body)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"GIF89a", "a GIF picture"),
        (b"BM6\0", "a BMP picture"),
        (b"MM\0*", "a TIFF picture"),
        (b"\0\0\0\x18ftypheic", "a HEIC picture"),
        (b"\0\0\0\x18ftypavif", "an AVIF picture"),
        (b"\0\0\0\x18ftypisom", "an MP4 or similar film"),
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b'<?xml version="1.0"?>\n<svg xmlns=', "an SVG drawing"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><p>", "an HTML page"),
        (b"hello\n", "a text file"),
        (b"\x01\x02\x03", "of an unknown kind"),
    ],
)
def test_other_files_are_called_by_their_names(start: bytes, kind: str) -> None:
    assert kind_of(start) == kind
