"""Claim: a damaged or hostile picture file ends in a picture or in InputError, quickly and in little memory.

Seeded mutants of small PNG, JPEG and WEBP files, and bombs and polyglots made by hand, go through
`seewhy.read_images` as bytes. A warning that escapes counts as a failure. Run it with

    python -m benchmarks.reliability_images --n 200000 --json
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import platform
import random
import resource
import struct
import sys
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import PIL
from PIL import Image, features

from seewhy import errors
from seewhy.images.read import read_images

NAME = "reliability.images"
MAX_SECONDS = 2.0
MAX_MB = 1000.0

_SIZES = (0, 1, 2, 3, 7, 16, 255, 256, 1000, 4095, 8192, 16383, 16384, 65535, 2**24 - 1, 2**31 - 1, 2**32 - 1)
_EXIF = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)


def run(n: int = 200_000, seed: int = 0) -> dict[str, Any]:
    """Read `n` mutants and every bomb, and count how it ended.

    Returns
    -------
    report
        `ours` is the number of reads that ended in anything but a picture or InputError, `limit` is 0; the
        slowest read (CPU seconds) and the peak memory of the whole process (MB) are in `details`.
    """
    ends: Counter[str] = Counter()
    failures: list[str] = []
    slowest, slowest_name = 0.0, ""
    bomb_ends: dict[str, str] = {}
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, data in itertools.chain(bombs(), mutants(n, seed)):
            before = time.process_time()
            end = _end_of(data)
            seconds = time.process_time() - before
            if seconds > slowest:
                slowest, slowest_name = seconds, name
            is_mutant = name.startswith("mutant ")
            ends[f"{'mutants' if is_mutant else 'bombs'} {end.split(':')[0]}"] += 1
            if not is_mutant:
                bomb_ends[name] = f"{end}, {seconds:.2f} s"
            if end not in ("decoded", "InputError"):
                failures.append(f"{name}: {end}")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform != "darwin" else 1e6)
    return {
        "name": NAME,
        "ours": len(failures),
        "limit": 0,
        "unit": "reads that ended in neither a picture nor InputError",
        "runs": n + len(bomb_ends),
        "details": {
            "seed": seed,
            "ends": dict(sorted(ends.items())),
            "failures": failures[:20],
            "slowest_seconds_cpu": round(slowest, 3),
            "slowest_read": slowest_name,
            "limit_seconds": MAX_SECONDS,
            "peak_rss_mb": round(peak_mb, 1),
            "limit_mb": MAX_MB,
            "total_seconds_cpu": round(time.process_time() - started, 1),
            "bombs": bomb_ends,
        },
        "versions": {
            "python": platform.python_version(),
            "pillow": PIL.__version__,
            "libjpeg": features.version("jpg"),
            "zlib": features.version("zlib"),
            "webp": features.version("webp"),
            "numpy": np.__version__,
        },
    }


def within_limits(report: dict[str, Any]) -> bool:
    """Whether the claim held."""
    details = report["details"]
    return bool(
        report["ours"] == 0
        and details["slowest_seconds_cpu"] <= MAX_SECONDS
        and details["peak_rss_mb"] <= MAX_MB
    )


def _end_of(data: bytes) -> str:
    try:
        read_images(data)
    except errors.InputError as error:
        # A message must name the input and hold its three parts, or it helps nobody.
        text = str(error)
        return "InputError" if text.startswith("images ") and text.count("\n") == 2 else f"bad text: {text}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {error}"
    return "decoded"


def mutants(n: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`n` damaged files; mutant i depends on the seed and i alone, so that it can be made again."""
    originals = list(seeds().items())
    for i in range(n):
        rng = random.Random(seed * 1_000_003 + i)
        name, data = rng.choice(originals)
        made = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            made = rng.choice(_DAMAGES)(made, rng, rng.choice(originals)[1])
        if made[:4] == b"\x89PNG" and rng.random() < 0.5:
            made = _with_checksums(made)  # else nearly every mutant would end at its checksum
        yield f"mutant {i} of {name}", bytes(made)


def seeds() -> dict[str, bytes]:
    """Small whole files of every kind that is read."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (23, 31, 4), dtype=np.uint8)
    ramp = np.linspace(0, 255, 48 * 40).astype(np.uint8).reshape(40, 48)
    rgba, rgb, grey = Image.fromarray(noise), Image.fromarray(noise[..., :3]), Image.fromarray(ramp)
    wide = Image.fromarray(ramp.astype(np.uint16) * 257)
    frames: dict[str, Any] = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    palette = rgb.quantize(16)
    return {
        "png rgb": _saved(rgb, "PNG"),
        "png rgba": _saved(rgba, "PNG"),
        "png palette": _saved(palette, "PNG", transparency=3),
        "png palette alphas": _saved(palette, "PNG", transparency=bytes(range(0, 256, 16))),
        "png grey": _saved(grey, "PNG"),
        "png grey alpha": _saved(rgba.convert("LA"), "PNG"),
        "png bits": _saved(grey.convert("1"), "PNG"),
        "png 16 bit": _saved(wide, "PNG"),
        "png rgb 16 bit": png(
            9, 7, 16, 2, b"".join(b"\0" + rng.bytes(54) for _ in range(7)), key=b"\0\1\0\2\0\3"
        ),
        "png animated": _saved(rgb, "PNG", **frames),
        "png exif": _saved(rgb, "PNG", exif=_EXIF[6:]),
        "jpeg": _saved(rgb, "JPEG", quality=85),
        "jpeg progressive": _saved(rgb, "JPEG", progressive=True),
        "jpeg grey": _saved(grey, "JPEG"),
        "jpeg without ycbcr": _saved(rgb, "JPEG", keep_rgb=True),
        "jpeg cmyk": _saved(rgb.convert("CMYK"), "JPEG"),
        "jpeg exif": _saved(rgb, "JPEG", exif=_EXIF),
        "jpeg restarts": _saved(rgb, "JPEG", restart_marker_blocks=1, subsampling=2),
        "webp lossy": _saved(rgb, "WEBP"),
        "webp lossy alpha": _saved(rgba, "WEBP"),
        "webp lossless": _saved(rgba, "WEBP", lossless=True),
        "webp exif": _saved(rgb, "WEBP", exif=_EXIF),
        "webp animated": _saved(rgb, "WEBP", **frames),
    }


def bombs() -> Iterator[tuple[str, bytes]]:
    """Files made to hurt or to mislead."""
    small = {name: data for name, data in seeds().items()}
    whole_png, whole_jpeg = small["png rgb"], small["jpeg"]
    yield "empty", b""
    yield "zeros", bytes(1000)
    yield "text named .png", b"this is not a picture\n"
    yield "html named .jpg", b"<!DOCTYPE html><html><script>alert(1)</script></html>"
    yield "svg named .jpg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'
    yield "gif", _saved(Image.new("P", (3, 3)), "GIF")
    yield "bmp", _saved(Image.new("RGB", (3, 3)), "BMP")
    yield "tiff", _saved(Image.new("RGB", (3, 3)), "TIFF")
    yield "only a signature", whole_png[:8]
    yield "half a jpeg", whole_jpeg[: len(whole_jpeg) // 2]
    yield "png and zip", whole_png + b"PK\x05\x06" + bytes(18)
    yield "zip and png", b"PK\x03\x04" + bytes(26) + whole_png
    yield "jpeg and html", whole_jpeg + b"<html></html>"
    yield "jpeg in jpeg", whole_jpeg[:2] + _segment(0xE1, b"Exif\0\0" + whole_jpeg) + whole_jpeg[2:]
    yield "png in riff", b"RIFF" + struct.pack("<I", len(whole_png) + 4) + b"WEBP" + whole_png
    yield "png of 2^31 pixels a side", png(2**31 - 1, 2**31 - 1, 8, 2, b"")
    yield "png of 50,000 pixels a side", flat_png(50_000, 50_000, 1, 0, fill=False)
    yield "jpeg of 65,535 pixels a side", sized(whole_jpeg, 65_535, 65_535)
    yield "jpeg of no height", sized(whole_jpeg, 31, 0)
    yield "webp of 16,383 pixels a side", sized(small["webp lossless"], 16_383, 16_383)
    yield "webp canvas of 2^24 a side", sized(small["webp animated"], 2**24, 2**24)
    yield "webp frame larger than its canvas", sized(small["webp animated"], 5, 5)
    big = zlib.compress(bytes(200_000_000), 9)
    yield "png text bomb", _with_chunks(whole_png, (b"zTXt", b"a\0\0" + big), (b"iTXt", b"b\0\1\0\0\0" + big))
    yield "png profile bomb", _with_chunks(whole_png, (b"iCCP", b"p\0\0" + big))
    yield "png of data beyond its rows", png(31, 23, 8, 2, bytes(200_000_000))
    yield "png of 90,000 empty parts", _with_chunks(whole_png, *[(b"IDAT", b"")] * 90_000)
    yield "png of 200,000 empty parts", _with_chunks(whole_png, *[(b"tEXt", b"")] * 200_000)
    yield (
        "png exif that counts to 65,535",
        _with_chunks(whole_png, (b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + bytes(900_000))),
    )
    yield "png exif loop", _with_chunks(whole_png, (b"eXIf", b"MM\0*\0\0\0\x08\0\x00\0\0\0\x08"))
    yield "png of 2^32 frames", _with_chunks(whole_png, (b"acTL", b"\xff" * 8))
    yield "jpeg of 20 MB of fill bytes", whole_jpeg[:-2] + b"\xff" * 20_000_000 + b"\xd9"
    yield "jpeg of 20 MB of stuffed bytes", whole_jpeg[:-2] + b"\xff\0" * 10_000_000 + b"\xff\xd9"
    yield "jpeg of 50,000 comments", whole_jpeg[:2] + _segment(0xFE, b"x") * 50_000 + whole_jpeg[2:]
    yield "jpeg of many profiles", whole_jpeg[:2] + _segment(0xE2, bytes(60_000)) * 500 + whole_jpeg[2:]
    yield "webp of 30,000 frames", _many_frames(small["webp animated"], 30_000)
    # The largest that are still read: cheap to store, dear to decode.
    yield "flat png, 50 Mpx", flat_png(7071, 7071, 8, 2)
    yield "flat png with alpha, 50 Mpx", flat_png(7071, 7071, 8, 6)
    yield "flat png with alpha, 16 bit, 50 Mpx", flat_png(7071, 7071, 16, 6)
    yield "flat grey png, 16 bit, 50 Mpx", flat_png(7071, 7071, 16, 0)
    yield "flat png, 762 rows of 65,535 pixels", flat_png(65_535, 762, 8, 2)
    yield "flat png, 65,535 rows of 762 pixels", flat_png(762, 65_535, 8, 2)
    yield "flat png, one column of 50 Mpx", flat_png(1, 50_000_000, 8, 2)
    yield "hollow jpeg, 50 Mpx", sized(whole_jpeg, 7071, 7071)
    yield "hollow cmyk jpeg, 50 Mpx", sized(small["jpeg cmyk"], 7071, 7071)
    yield "hollow progressive jpeg, 50 Mpx", sized(small["jpeg progressive"], 7071, 7071)
    yield "jpeg of 10,000 scans", _many_scans(small["jpeg progressive"], 10_000)
    yield "hollow jpeg of 20 scans, 50 Mpx", sized(_many_scans(small["jpeg progressive"], 10), 7071, 7071)
    yield "hollow jpeg of 1,000 scans, 50 Mpx", sized(_many_scans(small["jpeg progressive"], 990), 7071, 7071)
    flat_webp = _saved(Image.new("RGBA", (8, 8), (1, 2, 3, 40)), "WEBP", lossless=True)
    yield "flat webp, 25 Mpx", sized(flat_webp, 5000, 5000)
    yield "flat webp, 50 Mpx", sized(flat_webp, 7071, 7071)
    yield "webp of one frame on 25 Mpx", sized(small["webp animated"], 5000, 5000)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, key: bytes = b"") -> bytes:
    """A PNG of given header and raw rows (each after its filter byte)."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    middle = _chunk(b"tRNS", key) if key else b""
    return (
        _PNG + _chunk(b"IHDR", header) + middle + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    )


def flat_png(width: int, height: int, depth: int, colour: int, fill: bool = True) -> bytes:
    """A whole PNG of zeros, packed about a thousand times; `fill=False` leaves its rows out."""
    row = 1 + (width * {0: 1, 2: 3, 6: 4}[colour] * depth + 7) // 8
    packer = zlib.compressobj(9)
    left, parts = row * height if fill else 0, []
    while left > 0:
        parts.append(packer.compress(bytes(min(left, 1 << 20))))
        left -= 1 << 20
    whole = png(width, height, depth, colour, b"")
    at = whole.index(b"IDAT") - 4
    return whole[:at] + _chunk(b"IDAT", b"".join(parts) + packer.flush()) + _chunk(b"IEND", b"")


def sized(data: bytes | bytearray, width: int, height: int) -> bytes:
    """The same file with another size in its header."""
    made = bytearray(data)
    if made[:4] == b"\x89PNG" and len(made) >= 33:
        struct.pack_into(">II", made, 16, width & 0xFFFFFFFF, height & 0xFFFFFFFF)
        made = _with_checksums(made)
    elif made[:2] == b"\xff\xd8":
        at = max(made.find(b"\xff\xc0\0"), made.find(b"\xff\xc2\0"))
        if 0 <= at <= len(made) - 9:
            struct.pack_into(">HH", made, at + 5, height & 0xFFFF, width & 0xFFFF)
    elif made[12:16] == b"VP8X" and len(made) >= 30:
        made[24:27] = ((width - 1) & 0xFFFFFF).to_bytes(3, "little")
        made[27:30] = ((height - 1) & 0xFFFFFF).to_bytes(3, "little")
    elif made[12:16] == b"VP8L" and len(made) >= 25:
        bits = ((width - 1) & 0x3FFF) | ((height - 1) & 0x3FFF) << 14 | made[24] >> 4 << 28
        struct.pack_into("<I", made, 21, bits)
    elif made[12:16] == b"VP8 " and len(made) >= 30:
        struct.pack_into("<HH", made, 26, width & 0x3FFF, height & 0x3FFF)
    return bytes(made)


def _flip(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if data:
            data[rng.randrange(len(data))] ^= rng.choice(
                (1, 2, 4, 8, 16, 32, 64, 128, 255, rng.randrange(1, 256))
            )
    return data


def _cut(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    return data[: rng.randrange(len(data) + 1)]


def _drop(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    start = rng.randrange(len(data) + 1)
    del data[start : start + rng.choice((1, 2, 4, 12, rng.randrange(1, 200)))]
    return data


def _repeat(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    start = rng.randrange(len(data) + 1)
    data[start:start] = data[start : start + rng.randrange(1, 120)] * rng.choice((1, 2, 50))
    return data


def _splice(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    """Put a part of another file in, half of the time from part to part."""
    if rng.random() < 0.5:
        mine, theirs = _part_starts(data), _part_starts(other)
        if mine and theirs:
            start = rng.choice(theirs)
            at = rng.choice(mine)
            data[at:at] = other[start : start + rng.choice((12, 60, 2000))]
            return data
    return data[: rng.randrange(len(data) + 1)] + bytearray(other[rng.randrange(len(other)) :])


def _length(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    """Overwrite the length field of a part."""
    starts = _part_starts(data)
    if not starts:
        return data
    at = rng.choice(starts)
    value = rng.choice(
        (0, 1, 2, 13, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, len(data), rng.randrange(1 << 16))
    )
    if data[:2] == b"\xff\xd8":
        data[at + 2 : at + 4] = struct.pack(">H", value & 0xFFFF)
    elif data[:4] == b"RIFF":
        data[at + 4 : at + 8] = struct.pack("<I", value)
    else:
        data[at : at + 4] = struct.pack(">I", value)
    return data


def _resize(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    return bytearray(sized(data, rng.choice(_SIZES), rng.choice(_SIZES)))


def _noise(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    start = rng.randrange(len(data) + 1)
    n = rng.choice((1, 4, 40))
    data[start : start + n] = rng.randbytes(n)
    return data


_DAMAGES: tuple[Callable[[bytearray, random.Random, bytes], bytearray], ...] = (
    *(_flip,) * 6,
    *(_cut, _drop, _repeat, _splice, _length, _noise) * 2,
    _resize,
)


def _part_starts(data: bytes | bytearray) -> list[int]:
    """Where the parts of a file start (chunk lengths, markers, chunk names), as far as they can be followed."""
    starts, at = [], 8
    if data[:2] == b"\xff\xd8":
        at = 2
        while at + 4 <= len(data) and data[at] == 0xFF:
            starts.append(at)
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    elif data[:4] == b"RIFF":
        at = 12
        while at + 8 <= len(data):
            starts.append(at)
            length = struct.unpack_from("<I", data, at + 4)[0]
            at += 8 + length + length % 2
    else:
        while at + 8 <= len(data):
            starts.append(at)
            at += 12 + struct.unpack_from(">I", data, at)[0]
    return starts


def _with_checksums(data: bytearray) -> bytearray:
    for at in _part_starts(data):
        end = at + 8 + struct.unpack_from(">I", data, at)[0]
        if end + 4 <= len(data):
            struct.pack_into(">I", data, end, zlib.crc32(data[at + 4 : end]))
    return data


_PNG = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _with_chunks(data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Chunks put in before the end of a PNG's header."""
    made: dict[tuple[bytes, bytes], bytes] = {}
    extra = b"".join(made.setdefault(c, _chunk(*c)) if len(c[1]) < 100 else _chunk(*c) for c in chunks)
    return data[:33] + extra + data[33:]


def _segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def _many_scans(data: bytes, n: int) -> bytes:
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * n + b"\xff\xd9"


def _many_frames(data: bytes, n: int) -> bytes:
    start = data.index(b"ANMF")
    end = start + 8 + struct.unpack_from("<I", data, start + 4)[0]
    body = data[8:end] + data[start:end] * (n - 1)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def main() -> int:
    """Run from the command line; the exit code is 1 if a limit was passed."""
    parser = argparse.ArgumentParser(description="Damaged and hostile picture files against the reader.")
    parser.add_argument("--n", type=int, default=200_000, help="number of mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print the whole report")
    options = parser.parse_args()
    report = run(options.n, options.seed)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        details = report["details"]
        print(f"{report['runs']} reads: {details['ends']}")
        print(f"slowest {details['slowest_seconds_cpu']} s CPU ({details['slowest_read']})")
        print(f"peak memory {details['peak_rss_mb']} MB; failures {report['ours']}")
    return 0 if within_limits(report) else 1


if __name__ == "__main__":
    sys.exit(main())
