"""What a cheap predictor sees of a scene: amounts of colour, a blurred picture, counts, sizes, places, patches.

Each function looks at one scene or picture and knows nothing of labels.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32, UInt8

from seewhy.world.drawing.renderer import Rendered, render
from seewhy.world.grammar import MAX_CREATURES, MAX_OBJECTS
from seewhy.world.hashing import bits, field_key
from seewhy.world.scene import Item, Scene

Picture = UInt8[np.ndarray, "S S 3"]

PATCH = 8
STRIDE = 4
WORDS = 256
_CELLS = 6


def colour_histogram(rgb: Picture) -> Float32[np.ndarray, " 512"]:
    """Roots of the shares of 8 x 8 x 8 boxes of RGB: rare colours count too."""
    eighth = (rgb >> 5).astype(np.int64).reshape(-1, 3)
    counts = np.bincount(eighth @ np.array([64, 8, 1]), minlength=512)
    roots: np.ndarray = np.sqrt(counts / len(eighth)).astype(np.float32)
    return roots


def thumbnail(rgb: Picture) -> Float32[np.ndarray, " 192"]:
    """The picture as 8 x 8 means, 0 to 1; rows and columns beyond a multiple of 8 are left out."""
    step = rgb.shape[0] // 8
    cut = rgb[: 8 * step, : 8 * step].reshape(8, step, 8, step, 3)
    means: np.ndarray = (cut.mean((1, 3)) / 255).astype(np.float32)
    return means.ravel()


def background(scene: Scene, size: int) -> Float32[np.ndarray, " 704"]:
    """Histogram and thumbnail of the picture with every item and decoy painted out by what lies behind them.

    Drawn again rather than masked: a mask would keep the items' outlines.
    """
    rgb = render(replace(scene, items=(), decoy=None), size).rgb
    return np.concatenate([colour_histogram(rgb), thumbnail(rgb)])


def counts(scene: Scene) -> Float32[np.ndarray, " 10"]:
    """Number of objects and number of creatures, one place for each number."""
    row = np.zeros(MAX_OBJECTS + MAX_CREATURES + 2, np.float32)
    row[min(len(scene.objects), MAX_OBJECTS)] = 1
    row[MAX_OBJECTS + 1 + min(len(scene.creatures), MAX_CREATURES)] = 1
    return row


def total_area(rendered: Rendered) -> float:
    """Share of the picture in which anything but the background is seen."""
    return float((rendered.id_map > 0).mean())


def positions(scene: Scene) -> Float32[np.ndarray, " 106"]:
    """Where objects and creatures are: coordinates in painting order, how many lie in each of 6 x 6 cells, and how
    many there are at all."""
    at = np.zeros((2, MAX_OBJECTS + MAX_CREATURES, 3), np.float32)
    cells = np.zeros((2, _CELLS, _CELLS), np.float32)
    kinds: tuple[tuple[Item, ...], ...] = (scene.objects, scene.creatures)
    for kind, items in enumerate(kinds):
        for place, item in enumerate(items[: at.shape[1]]):
            at[kind, place] = 1, item.x - 0.5, item.y - 0.5
            cells[kind, min(int(item.y * _CELLS), _CELLS - 1), min(int(item.x * _CELLS), _CELLS - 1)] += 1
    used = np.concatenate([at[0, :MAX_OBJECTS].ravel(), at[1, :MAX_CREATURES].ravel()])
    return np.concatenate([used, cells.ravel(), counts(scene)])


def png_bytes(rgb: Picture) -> int:
    """Size of the picture as a PNG file with Pillow's defaults."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return file.tell()


def patches(rgb: Picture) -> Float32[np.ndarray, "p 192"]:
    """All 8 x 8 patches, one every 4 pixels, -0.5 to 0.5."""
    windows = np.lib.stride_tricks.sliding_window_view(rgb, (PATCH, PATCH), (0, 1))[::STRIDE, ::STRIDE]
    return (windows.reshape(-1, 3 * PATCH * PATCH) / 255 - 0.5).astype(np.float32)


def mean_patch(rgb: Picture) -> Float32[np.ndarray, " 192"]:
    """Mean of all patches: what a function that is linear in each patch can see of the bag of them."""
    mean: np.ndarray = patches(rgb).mean(0)
    return mean


def codebook(pictures: Sequence[Picture], words: int = WORDS) -> Float32[np.ndarray, "w 192"]:
    """Typical patches: k-means over up to 40 patches of each picture."""
    from sklearn.cluster import MiniBatchKMeans

    chosen = []
    for number, rgb in enumerate(pictures):
        every = patches(rgb)
        drawn = bits(field_key(number, "audit.patches"), 40) % np.uint64(len(every))
        chosen.append(every[drawn.astype(np.int64)])
    rows = np.concatenate(chosen)
    fitted = MiniBatchKMeans(min(words, len(rows)), random_state=0, n_init=1, batch_size=4096).fit(rows)
    centres: np.ndarray = fitted.cluster_centers_.astype(np.float32)
    return centres


def bag_of_words(rgb: Picture, book: Float32[np.ndarray, "w 192"]) -> Float32[np.ndarray, " w"]:
    """Roots of the shares of the picture's patches that are nearest to each word of the codebook."""
    rows = patches(rgb)
    # |row - word|^2 without |row|^2, which is the same for all words.
    distances: Float[np.ndarray, "p w"] = (book**2).sum(1) - 2 * (rows @ book.T)
    found = np.bincount(distances.argmin(1), minlength=len(book))
    return np.sqrt(found / len(rows)).astype(np.float32)
