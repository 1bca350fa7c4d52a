"""Files and Pillow pictures to upright RGB pixels: every mode, every orientation, nothing but InputError."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from seewhy.errors import InputError
from seewhy.images.decode import decode, from_pil
from seewhy.images.picture import Picture
from tests.images.made_pictures import chunk, exif_block, noise, png, saved

RGB = Image.fromarray(noise(9, 14))
RGBA = Image.fromarray(noise(9, 14, 4))
LIMIT = 50_000_000


def read(data: bytes, max_pixels: int = LIMIT) -> Picture:
    return decode(data, name="a", where="a.png", max_pixels=max_pixels)


def taken(image: Image.Image, max_pixels: int = LIMIT) -> Picture:
    return from_pil(image, name="a", where="images", max_pixels=max_pixels)


def over_white_by_hand(rgba: Image.Image) -> np.ndarray:
    values = np.asarray(rgba, np.float64)
    return np.rint(255 - (255 - values[..., :3]) * values[..., 3:] / 255)


@pytest.mark.parametrize(
    ("image", "kind", "note"),
    [
        (RGB, "PNG", None),
        (RGB, "JPEG", None),
        (RGB, "WEBP", None),
        (RGB.convert("L"), "PNG", "grey to RGB"),
        (RGB.convert("L"), "JPEG", "grey to RGB"),
        (RGB.convert("1"), "PNG", "black and white to RGB"),
        (RGB.quantize(16), "PNG", "palette to RGB"),
        (RGB.convert("CMYK"), "JPEG", "CMYK to RGB without a colour profile"),
    ],
)
def test_opaque_files_are_as_pillow_shows_them(image: Image.Image, kind: str, note: str | None) -> None:
    data = saved(image, kind)
    picture = read(data)
    np.testing.assert_array_equal(picture.pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert picture.notes == ((note,) if note else ())


@pytest.mark.parametrize("alpha", ["rgba", "grey", "palette", "one entry", "colour", "webp"])
def test_alpha_lies_on_white_and_is_noted(alpha: str) -> None:
    palette = RGB.quantize(4)
    data = {
        "rgba": lambda: saved(RGBA),
        "grey": lambda: saved(RGBA.convert("LA")),
        "palette": lambda: saved(palette, transparency=bytes([0, 80, 160, 255])),
        "one entry": lambda: saved(palette, transparency=2),
        "colour": lambda: saved(RGB, transparency=tuple(int(v) for v in np.asarray(RGB)[3, 4])),
        "webp": lambda: saved(RGBA, "WEBP", lossless=True, exact=True),
    }[alpha]()
    picture = read(data)
    expected = over_white_by_hand(Image.open(io.BytesIO(data)).convert("RGBA"))
    np.testing.assert_array_equal(picture.pixels, expected)
    assert picture.notes[0] == "alpha over white"


def test_an_opaque_alpha_channel_is_not_worth_a_note() -> None:
    assert read(saved(RGB.convert("RGBA"))).notes == ()


def test_16_bits_keep_their_upper_byte_in_grey_and_in_colour() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (5, 6), np.uint16)
    upper = (values >> 8).astype(np.uint8)
    grey = read(saved(Image.fromarray(values)))
    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in values)
    colour = read(png(6, 5, 16, 2, rows))
    for picture in (grey, colour):
        np.testing.assert_array_equal(picture.pixels, np.repeat(upper[..., None], 3, axis=2))
        assert any("16" in note and "8" in note for note in picture.notes)


def test_a_transparent_16_bit_grey_becomes_white() -> None:
    rows = b"".join(b"\0" + np.array(row, ">u2").tobytes() for row in ([300, 600], [600, 900]))
    picture = read(png(2, 2, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 600))))
    assert picture.pixels[..., 0].tolist() == [[1, 255], [255, 3]]
    assert "alpha over white" in picture.notes


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_turns_the_picture_as_pillow_would(kind: str, turn: int) -> None:
    data = saved(RGB, kind, exif=b"Exif\0\0" + exif_block(turn), **({} if kind == "PNG" else {"quality": 90}))
    image = Image.open(io.BytesIO(data))
    expected = np.asarray(ImageOps.exif_transpose(image))
    for picture in (read(data), taken(Image.open(io.BytesIO(data)))):
        np.testing.assert_array_equal(picture.pixels, expected)
        assert picture.pixels.flags.c_contiguous
        assert any("turned upright" in note for note in picture.notes) == (turn > 1)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_read_and_noted(kind: str) -> None:
    options: dict[str, Any] = {"save_all": True, "append_images": [RGB.rotate(180)], "lossless": True}
    picture = read(saved(RGB, kind, **options))
    np.testing.assert_array_equal(picture.pixels, np.asarray(RGB))
    assert picture.notes == ("first of 2 frames",)


def test_of_an_open_animation_the_frame_it_stands_at_is_taken() -> None:
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "lime")]
    opened = Image.open(io.BytesIO(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])))
    opened.seek(1)
    picture = taken(opened)
    assert (picture.pixels == (0, 255, 0)).all() and "frame 1 of several" in picture.notes


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "La", "RGBa", "PA"]
)
def test_pillow_pictures_of_every_mode_are_taken(mode: str) -> None:
    steps = {"La": ("LA", "La"), "RGBa": ("RGBA", "RGBa"), "PA": ("P", "PA")}.get(mode, (mode,))
    image = RGB
    for step in steps:
        image = image.convert(step)
    straight = {"La": "LA", "RGBa": "RGBA"}.get(mode, mode)
    expected = np.asarray(image.convert(straight).convert("RGB"))
    picture = taken(image)
    np.testing.assert_array_equal(picture.pixels, expected)
    assert bool(picture.notes) == (mode not in ("RGB", "RGBA", "RGBX", "RGBa"))


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I", "F"])
def test_wide_grey_pictures_are_scaled_and_noted(mode: str) -> None:
    values = np.array([[0, 256, 65535], [511, 512, 4096]])
    if mode == "F":
        image = Image.fromarray((np.array([[0, 1, 255], [1, 2, 16]]) / 255).astype(np.float32))
    elif mode == "I;16B":
        image = Image.frombytes(mode, (3, 2), values.astype(">u2").tobytes())
    else:
        image = Image.fromarray(values.astype(np.int32 if mode == "I" else np.uint16))
    assert image.mode == mode
    picture = taken(image)
    assert picture.pixels[..., 1].tolist() == [[0, 1, 255], [1, 2, 16]]
    assert "grey to RGB" in picture.notes


@pytest.mark.parametrize(("low", "high"), [(0, 200), (-1, 5000), (0, 65536)])
def test_whole_numbers_of_unclear_range_are_refused(low: int, high: int) -> None:
    image = Image.fromarray(np.array([[low, high]], np.int32))
    with pytest.raises(
        InputError, match=rf"(?s)mode I with values from {low} to {high}\..*16 bits.*mode 'L'"
    ):
        taken(image)


def test_floats_outside_0_to_1_in_a_pillow_picture_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"(?s)images has values from 0 to 200, so it looks like 8-bit.*divide by 255"
    ):
        taken(Image.fromarray(np.array([[0, 200]], np.float32)))


def test_tiles_of_a_picture_larger_than_one_tile_fit_together() -> None:
    pixels = noise(701, 1023, 4)
    expected = over_white_by_hand(Image.fromarray(pixels))
    np.testing.assert_array_equal(taken(Image.fromarray(pixels)).pixels, expected)


def test_too_many_pixels_are_refused_before_decoding() -> None:
    hollow = png(30_000, 20_000, 8, 2, b"")
    words = r"(?s)a.png has 30000x20000 pixels, 600 million.*limit is 50 million.*max_pixels=600000000"
    with pytest.raises(InputError, match=words):
        read(hollow)
    with pytest.raises(InputError, match="images has 14x9 pixels"):
        taken(RGB, max_pixels=125)
    assert read(saved(RGB), max_pixels=126).size == (9, 14)


def test_a_webp_pixel_counts_twice() -> None:
    with pytest.raises(InputError, match=r"(?s)has 14x9 pixels.*counts twice.*max_pixels=252 "):
        read(saved(RGB, "WEBP"), max_pixels=251)
    assert read(saved(RGB, "WEBP"), max_pixels=252).size == (9, 14)


def test_a_side_of_more_than_65535_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="1x65536 pixels, more than 65535 along one side"):
        read(png(1, 65536, 8, 0, bytes(2 * 65536)))


def test_a_progressive_jpeg_may_not_draw_its_pixels_without_end() -> None:
    data = saved(RGB, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    many = data[:last] + data[last:-2] * 25 + b"\xff\xd9"
    with pytest.raises(InputError, match=r"suspect: it draws its 14x9 pixels \d+ times"):
        read(many, max_pixels=130)
    assert read(many).size == (9, 14)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_every_truncation_is_refused_by_name(kind: str) -> None:
    data = saved(RGB, kind)
    for length in range(len(data)):
        with pytest.raises(InputError, match=r"(?s)^a.png .*complete PNG, JPEG and WEBP.*PIL.Image"):
            read(data[:length])


def test_damaged_pixels_are_refused_with_the_decoders_reason() -> None:
    data = bytearray(saved(RGB))
    data[data.index(b"IDAT") + 20] ^= 255
    with pytest.raises(InputError, match=r"a.png cannot be decoded \(.+\)") as caught:
        read(bytes(data))
    assert caught.value.__cause__ is not None


def test_a_part_that_unpacks_to_200_mb_is_never_unpacked() -> None:
    bomb = zlib.compress(bytes(200_000_000), 1)
    text = chunk(b"zTXt", b"a\0\0" + bomb) + chunk(b"iCCP", b"p\0\0" + bomb)
    data = saved(RGB)
    np.testing.assert_array_equal(read(data[:33] + text + data[33:]).pixels, np.asarray(RGB))


def test_a_pillow_picture_of_a_damaged_file_is_refused() -> None:
    cut = Image.open(io.BytesIO(saved(RGB)[:-40]))
    with pytest.raises(InputError, match=r"images cannot be decoded \("):
        taken(cut)


@pytest.mark.parametrize(("start", "words"), [(b"GIF89a", "is a GIF picture"), (b"hi\n", "is a text file")])
def test_other_formats_are_refused_with_a_way_out(start: bytes, words: str) -> None:
    with pytest.raises(InputError, match=f"(?s)a.png {words}.*PNG, JPEG and WEBP.*convert it"):
        read(start)


@pytest.mark.real
def test_real_photographs_are_read_as_pillow_reads_them(data: Path) -> None:
    files = sorted([*(data / "coco" / "images").iterdir(), *(data / "imagenet_samples").glob("*.jpg")])
    assert len(files) > 300
    for file in files:
        picture = decode(file.read_bytes(), name=file.name, where=str(file), max_pixels=LIMIT)
        with Image.open(file) as image:
            expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        np.testing.assert_array_equal(picture.pixels, expected, err_msg=file.name)
