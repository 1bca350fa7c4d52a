"""Stored embeddings are the prompter's own, of every picture that could be used, and are asked without a picture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks._points import contents
from PIL import Image
from torch import Tensor

from seewhy.errors import BadArtefact, InputError, NotSupported
from seewhy.grounding.build import build
from seewhy.grounding.crop import Crop
from seewhy.grounding.dense import Dense
from seewhy.grounding.reattend import Reattend
from seewhy.grounding.red_circle import RedCircle
from seewhy.grounding.store import LocalEmbeddingStore
from seewhy.grounding.view import common_view
from seewhy.images.preprocess import Preprocess
from seewhy.images.read import read_images
from seewhy.scale.job import Job, plan
from tests.grounding.fake import MEAN, SIZE, STD, Circled, Patches, Sick, noise

N = 7
CIRCLES = RedCircle((2, 3), radius=0.3, width=0.1)
SETTINGS: dict[str, Any] = {"per_shard": 3, "batch_size": 2, "dtype": "float32"}


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return noise(N)


@pytest.fixture
def vlm() -> Patches:
    return Patches()


@pytest.fixture
def store(vlm: Patches, pixels: np.ndarray, tmp_path: Path) -> LocalEmbeddingStore:
    return build(vlm, CIRCLES, pixels, tmp_path / "store", **SETTINGS)


@pytest.fixture
def folder(tmp_path: Path, pixels: np.ndarray) -> Path:
    for i, one in enumerate(pixels):
        (tmp_path / "photos" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(tmp_path / "photos" / "ab"[i % 2] / f"{i}.png")
    return tmp_path / "photos"


def seen(vlm: Patches, pixels: Any) -> Tensor:
    return torch.stack([vlm.preprocess(picture)[0] for picture in read_images(pixels)])


def test_embeddings_are_those_of_the_prompter_one_picture_at_a_time(
    store: LocalEmbeddingStore, pixels: np.ndarray
) -> None:
    vlm = Patches()
    x = seen(vlm, pixels)
    assert (store.n_images, len(store), store.grid, store.dim) == (N, N, (2, 3), 6)
    torch.testing.assert_close(store.embeddings(), torch.cat([CIRCLES(vlm, one[None]) for one in x]))
    torch.testing.assert_close(store.unprompted, vlm.encode_images(x))
    assert store.embeddings().dtype == store.unprompted.dtype == torch.float32


def test_similarity_is_the_cosine_of_direct_embeddings(
    store: LocalEmbeddingStore, pixels: np.ndarray
) -> None:
    vlm = Patches()
    text = vlm.encode_texts(["a dog", "a cat", "grass"])
    local = CIRCLES(vlm, seen(vlm, pixels))
    found = store.similarity(text)
    assert found.shape == (N, 3, 2, 3) and found.dtype == torch.float32 and found.is_contiguous()
    for n in range(N):
        for m in range(3):
            for y in range(2):
                for x in range(3):
                    assert found[n, m, y, x].item() == pytest.approx(
                        float(local[n, y, x] @ text[m]), abs=1e-5
                    )
    torch.testing.assert_close(torch.cat(list(store.similarities(text, 3))), found)
    torch.testing.assert_close(store.similarity(text, 2, 5), found[2:5])


def test_another_vocabulary_shows_the_vlm_no_picture(
    store: LocalEmbeddingStore, vlm: Patches, pixels: np.ndarray
) -> None:
    # Noise to try it and 7 pictures, each with 6 circles and without.
    assert vlm.n_shown == (1 + N) * 7
    for words in (["a"], ["b", "c"], [f"word {i}" for i in range(100)]):
        store.similarity(vlm.encode_texts(words))
        build(vlm, CIRCLES, pixels, store.folder, **SETTINGS).similarity(vlm.encode_texts(words))
    assert vlm.n_shown == (1 + N) * 7


def test_any_part_and_any_selection_is_that_of_the_whole(store: LocalEmbeddingStore) -> None:
    whole = store.embeddings()
    for start in range(N + 1):
        for stop in range(start, N + 1):
            assert torch.equal(store.embeddings(start, stop), whole[start:stop])
    for size in (1, 2, 3, 100):
        assert torch.equal(torch.cat(list(store.batches(size))), whole)
    for chosen in ([5], [6, 0, 3], [2, 2, 6, 2], [], np.array([1, 4])):
        assert torch.equal(store.select(chosen), whole[torch.as_tensor(np.array(chosen, int))])


@pytest.mark.parametrize(("dtype", "distance"), [("float16", 5e-4), ("int8", 0.012)])
def test_smaller_types_are_near(dtype: Any, distance: float, pixels: np.ndarray, tmp_path: Path) -> None:
    vlm = Patches(dim=32)
    exact = build(vlm, CIRCLES, pixels, tmp_path / "a", **SETTINGS)
    small = build(vlm, CIRCLES, pixels, tmp_path / "b", **{**SETTINGS, "dtype": dtype})
    assert (small.embeddings() - exact.embeddings()).norm(dim=-1).max() < distance
    assert (small.unprompted - exact.unprompted).norm(dim=-1).max() < 5e-4
    torch.testing.assert_close(small.embeddings().norm(dim=-1), torch.ones(N, 2, 3))
    assert small.select([3, 1]).equal(small.embeddings()[[3, 1]])
    text = vlm.encode_texts(["a", "b"])
    assert (small.similarity(text) - exact.similarity(text)).abs().max() < distance


@pytest.mark.parametrize("prompter", [Dense(), Reattend((1, 2)), Crop((1, 1)), Dense(grid=(5, 2))], ids=repr)
def test_any_prompter_can_fill_a_store(
    prompter: Any, vlm: Patches, pixels: np.ndarray, tmp_path: Path
) -> None:
    store = build(vlm, prompter, pixels, tmp_path / "a", **SETTINGS)
    assert store.grid == (prompter.grid or vlm.token_grid)
    torch.testing.assert_close(store.embeddings(), prompter(vlm, seen(vlm, pixels)))


def test_names_labels_hashes_and_geometries_are_those_of_the_pictures(vlm: Patches, folder: Path) -> None:
    store = build(vlm, CIRCLES, folder, folder.parent / "store", per_shard=3)
    pictures = read_images(folder)
    assert store.names == tuple(picture.name for picture in pictures)
    assert store.labels == tuple("aaaabbb")
    assert store.sha256 == tuple(picture.sha256 for picture in pictures)
    assert store.geometries == tuple(vlm.preprocess(picture)[1] for picture in pictures)
    labels = list(range(N))
    other = build(vlm, CIRCLES, folder, folder.parent / "other", labels=labels)
    assert other.labels == tuple("0123456")


def test_the_view_of_a_backbone_is_what_the_vlm_sees(
    vlm: Patches, pixels: np.ndarray, tmp_path: Path
) -> None:
    view = common_view(Preprocess(size=(48, 64), resize=(56, 72)), vlm.preprocess)
    store = build(vlm, CIRCLES, pixels, tmp_path / "a", view=view, **SETTINGS)
    x = torch.stack([view(picture)[0] for picture in read_images(pixels)])
    torch.testing.assert_close(store.embeddings(), CIRCLES(vlm, x))
    assert store.geometries == tuple(view(picture)[1] for picture in read_images(pixels))
    assert replace_source(store.view) == replace_source(view)
    with pytest.raises(BadArtefact, match=r"view.resize is \[28, 36\] there and None here"):
        build(vlm, CIRCLES, pixels, tmp_path / "a", **SETTINGS)


def replace_source(view: Preprocess) -> dict[str, Any]:
    return {**view.to_dict(), "source": ""}


def test_a_view_for_another_vlm_is_refused(vlm: Patches, pixels: np.ndarray, tmp_path: Path) -> None:
    for settings, said in (
        ({"size": (24, 24)}, r"view has size=\(24, 24\).\n  patches takes pictures with size=\(24, 32\)"),
        ({"mean": 0.5}, "view has mean="),
        ({"bgr": True}, "view has bgr=True"),
    ):
        view = Preprocess(**{"size": SIZE, "mean": MEAN, "std": STD, **settings})
        with pytest.raises(InputError, match=said):
            build(vlm, CIRCLES, pixels, tmp_path / "a", view=view)
    assert not (tmp_path / "a").exists()


def test_the_same_settings_give_the_same_bytes_and_a_finished_store_is_only_opened(
    store: LocalEmbeddingStore, pixels: np.ndarray, tmp_path: Path
) -> None:
    ran: list[int] = []
    build(Patches(), CIRCLES, pixels, store.folder, progress=lambda done, n: ran.append(done), **SETTINGS)
    assert ran == []
    again = build(
        Patches(), CIRCLES, pixels, tmp_path / "b", progress=lambda done, n: ran.append(done), **SETTINGS
    )
    assert ran == [3, 6, 7]
    assert contents(again.folder) == contents(store.folder) and again.content_key == store.content_key


@pytest.mark.slow
def test_killed_at_every_call_that_touches_the_folder_it_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.grounding.killed", str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40  # so many calls touch the folder; fewer would mean that they are not seen


def test_a_store_that_is_not_finished_cannot_be_opened(
    vlm: Patches, pixels: np.ndarray, tmp_path: Path
) -> None:
    def stop(done: int, n: int) -> None:
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(vlm, CIRCLES, pixels, tmp_path / "a", progress=stop, **SETTINGS)
    with pytest.raises(InputError, match=r"2 of 3 shards are there(?s:.*)Run the same job again"):
        LocalEmbeddingStore(tmp_path / "a")
    before = vlm.n_shown
    assert len(build(vlm, CIRCLES, pixels, tmp_path / "a", **SETTINGS)) == N
    assert vlm.n_shown - before == 2 * 7  # noise, and the one picture of the third shard


def test_bad_pictures_are_left_out_recorded_and_told(vlm: Patches, folder: Path) -> None:
    (folder / "a" / "2.png").write_bytes(b"not a picture")
    (folder / "b" / "1.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"(?s)2 of 7 pictures .*a/2.png.*failed attribute"):
        store = build(vlm, CIRCLES, folder, folder.parent / "store", **SETTINGS)
    assert [(failure.item, failure.name) for failure in store.failed] == [(1, "a/2.png"), (4, "b/1.png")]
    told = json.loads((store.folder / "manifest.json").read_text())["failed"]
    assert [failure["name"] for failure in told] == ["a/2.png", "b/1.png"]
    good = [path for path in sorted(folder.rglob("*.png")) if path.name not in ("1.png", "2.png")]
    torch.testing.assert_close(store.embeddings(), CIRCLES(vlm, seen(vlm, good)))
    with pytest.warns(UserWarning):
        build(vlm, CIRCLES, folder, store.folder, **SETTINGS)


def test_pictures_whose_embeddings_are_not_finite_have_failed_and_their_neighbours_have_not(
    pixels: np.ndarray, tmp_path: Path
) -> None:
    pixels = np.repeat(np.repeat(pixels, 2, 1), 2, 2)
    pixels[[1, 5], :30] = 255
    with pytest.warns(UserWarning, match="2 of 7 pictures"):
        store = build(Sick(), CIRCLES, pixels, tmp_path / "a", **SETTINGS)
    assert [failure.item for failure in store.failed] == [1, 5]
    assert "not finite" in store.failed[0].error
    good = pixels[[0, 2, 3, 4, 6]]
    torch.testing.assert_close(store.embeddings(), CIRCLES(Patches(), seen(Patches(), good)))
    with pytest.raises(
        InputError, match=r"None of the 2 pictures could be used; the first, image 0: (?s:.*)finite"
    ):
        build(Sick(), CIRCLES, pixels[[1, 5]], tmp_path / "b", **SETTINGS)


def test_no_picture_at_all_is_an_error(vlm: Patches, tmp_path: Path) -> None:
    for nothing in ([], (), np.zeros((0, 4, 4, 3), np.uint8)):
        with pytest.raises(InputError, match="empty"):
            build(vlm, CIRCLES, nothing, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_wrong_options_are_told_before_anything_is_written(
    vlm: Patches, pixels: np.ndarray, tmp_path: Path
) -> None:
    class Long(RedCircle):
        def __call__(self, vlm: Any, x: Tensor) -> Tensor:
            return super().__call__(vlm, x) * 2

    class Square(RedCircle):
        def __call__(self, vlm: Any, x: Tensor) -> Tensor:
            return super().__call__(vlm, x)[:, :1]

    for prompter, options, error, said in (
        (CIRCLES, {"dtype": "flaot16"}, InputError, "Did you mean 'float16'"),
        (CIRCLES, {"batch_size": 0}, InputError, "batch_size is 0"),
        (CIRCLES, {"per_shard": 0}, InputError, "per_shard is 0"),
        (CIRCLES, {"labels": ["a"]}, InputError, "1 labels for 7 pictures"),
        (Long(), {}, InputError, r"The prompter Long gave embeddings of norm 2 to 2.\n.*unit vectors"),
        (Square(), {}, InputError, r"shape \(1, 1, 7, 6\).\n  They must be \(1, 7, 7, 6\)"),
    ):
        with pytest.raises(error, match=said):
            build(vlm, prompter, pixels, tmp_path / "a", **options)
    with pytest.raises(NotSupported, match="circled has no"):
        build(Circled(), Reattend(), pixels, tmp_path / "a")
    with pytest.raises(NotSupported, match="1 channel"):
        build(Patches(channels=1, mean=0.5, std=0.5), CIRCLES, pixels, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_another_vlm_prompter_or_picture_in_the_same_folder_is_refused_by_name(
    store: LocalEmbeddingStore, vlm: Patches, pixels: np.ndarray
) -> None:
    for changed, said in (
        ({"vlm": Patches(seed=1)}, "vlm.fingerprint is '[0-9a-f]+ there"),
        ({"prompter": replace(CIRCLES, radius=0.25)}, "prompter.radius is 0.3 there and 0.25 here"),
        ({"prompter": Crop((2, 3))}, "prompter.kind is 'red circle/1' there and 'crop/1' here"),
        ({"dtype": "int8"}, "dtype is 'float32' there and 'int8' here"),
        ({"images": pixels[::-1]}, "pictures.sha256 is"),
    ):
        asked = {
            "vlm": vlm,
            "prompter": CIRCLES,
            "images": pixels,
            "folder": store.folder,
            **SETTINGS,
            **changed,
        }
        with pytest.raises(BadArtefact, match=said):
            build(**asked)
    before = contents(store.folder)
    assert len(LocalEmbeddingStore(store.folder)) == N and contents(store.folder) == before


def test_a_store_is_required_to_be_of_a_vlm_prompter_and_view(
    store: LocalEmbeddingStore, vlm: Patches
) -> None:
    store.require()
    store.require(vlm, CIRCLES, vlm.preprocess)
    store.require(Patches(), view=Preprocess(size=SIZE, mean=MEAN, std=STD, source="elsewhere"))
    for asked, said in (
        ((Patches(seed=1),), r"vlm.fingerprint is(?s:.*)Pass what it was made with"),
        ((Circled(),), "vlm.id is 'patches' there and 'circled' here"),
        ((None, RedCircle((2, 3))), "prompter.radius is 0.3 there"),
        (
            (vlm, None, Preprocess(size=SIZE, resize=40, mean=MEAN, std=STD)),
            "view.resize is None there and 40",
        ),
    ):
        with pytest.raises(BadArtefact, match=said):
            store.require(*asked)  # type: ignore[arg-type]


def test_damage_is_found_and_only_that_shard_made_again(
    store: LocalEmbeddingStore, vlm: Patches, pixels: np.ndarray
) -> None:
    before = contents(store.folder)
    assert store.verify() == []
    damaged = bytearray(before["shard-000001.safetensors"])
    damaged[len(damaged) // 2] ^= 1
    (store.folder / "shard-000001.safetensors").write_bytes(bytes(damaged))
    assert store.verify() == ["shard-000001.safetensors has been changed (its SHA-256 differs)"]
    (store.folder / "shard-000002.safetensors").unlink()
    with pytest.raises(BadArtefact, match="(?s)shard-000002.* cannot be read .*verify=True"):
        store.embeddings()
    ran: list[int] = []
    build(
        vlm, CIRCLES, pixels, store.folder, verify=True, progress=lambda done, n: ran.append(done), **SETTINGS
    )
    assert len(ran) == 2 and contents(store.folder) == before


def test_embedding_again_gives_what_is_stored(store: LocalEmbeddingStore, pixels: np.ndarray) -> None:
    vlm = Patches()
    assert store.recompute(vlm, CIRCLES, pixels, k=3) < 1e-5
    assert vlm.n_shown == 3 * 7
    assert store.recompute(vlm, CIRCLES, pixels, k=100, seed=1) < 1e-5
    with pytest.raises(BadArtefact, match="vlm.fingerprint"):
        store.recompute(Patches(seed=1), CIRCLES, pixels)
    with pytest.raises(InputError, match=r"is not the picture that is stored as image 3"):
        store.recompute(vlm, CIRCLES, pixels[[0, 1, 2, 4, 3, 5, 6]], k=100)
    with pytest.raises(InputError, match="There are 6 pictures.\n  The store was made of 7"):
        store.recompute(vlm, CIRCLES, pixels[:6])
    with pytest.raises(InputError, match="k is 0"):
        store.recompute(vlm, CIRCLES, pixels, k=0)


def test_embedding_again_tells_rounding_and_changed_numbers_and_knows_of_failures(
    pixels: np.ndarray, tmp_path: Path
) -> None:
    pictures: list[object] = [b"no picture", *pixels]
    vlm = Patches(dim=64)
    with pytest.warns(UserWarning, match="1 of 8"):
        store = build(vlm, CIRCLES, pictures, tmp_path / "a", per_shard=4, batch_size=4, dtype="int8")
    assert 1e-3 < store.recompute(vlm, CIRCLES, pictures, k=7) < 0.02
    path = tmp_path / "a" / "shard-000001.safetensors"
    data = bytearray(path.read_bytes())
    at = len(data) - 64 * 6 * 2  # inside the embeddings of the last pictures or what follows them
    data[at : at + 100] = bytes(100)
    path.write_bytes(bytes(data))
    assert LocalEmbeddingStore(tmp_path / "a").recompute(vlm, CIRCLES, pictures, k=7) > 0.05


def test_a_slice_holds_those_pictures_byte_for_byte(
    store: LocalEmbeddingStore, pixels: np.ndarray, tmp_path: Path
) -> None:
    chosen = [6, 0, 3, 1]
    part = store.write_slice(tmp_path / "part", chosen, per_shard=3)
    assert torch.equal(part.embeddings(), store.embeddings()[chosen])
    assert torch.equal(part.unprompted, store.unprompted[chosen]) and torch.equal(part.red, store.red[chosen])
    for name in ("names", "labels", "sha256", "geometries"):
        assert getattr(part, name) == tuple(getattr(store, name)[i] for i in chosen)
    part.require(Patches(), CIRCLES, Patches().preprocess)
    assert part.recompute(Patches(), CIRCLES, pixels[chosen]) < 1e-5
    again = store.write_slice(tmp_path / "again", np.array(chosen), per_shard=3)
    assert contents(again.folder) == contents(part.folder)
    with pytest.raises(BadArtefact, match="slice.indices is"):
        store.write_slice(tmp_path / "part", [0, 6, 3, 1], per_shard=3)


def test_a_slice_of_bytes_is_small_and_near(pixels: np.ndarray, tmp_path: Path) -> None:
    vlm = Patches(dim=256)
    store = build(vlm, RedCircle(3), pixels, tmp_path / "a")
    part = store.write_slice(tmp_path / "b", range(5), dtype="int8")  # type: ignore[arg-type]
    text = vlm.encode_texts([f"word {i}" for i in range(50)])
    wrong = (part.similarity(text) - store.similarity(text, 0, 5)).abs()
    assert wrong.max() < 0.005 and wrong.mean() < 0.001
    n_bytes = sum(len(data) for name, data in contents(part.folder).items() if name != "manifest.json")
    assert n_bytes < 5 * (9 * (256 + 4) + 2 * 256 + 200) + 1000
    assert torch.equal(part.write_slice(tmp_path / "c", [1]).embeddings(), part.embeddings(1, 2))


def test_what_is_not_there_or_does_not_fit_is_told(store: LocalEmbeddingStore, tmp_path: Path) -> None:
    unit = torch.eye(6)
    for call, said in (
        (lambda: store.embeddings(3, 8), "Pictures 3 to 8 were asked for"),
        (lambda: store.select([7]), "indices goes from 7 to 7"),
        (lambda: store.select([-1]), "indices goes from -1"),
        (lambda: store.select([0.5]), "indices is float64"),
        (lambda: next(store.batches(0)), "size is 0"),
        (
            lambda: store.similarity(torch.ones(2, 5)),
            r"text embeddings are \(2, 5\).\n.*have 6 numbers.*\n.*patches",
        ),
        (lambda: store.similarity(unit[0]), r"text embeddings are \(6,\)"),
        (lambda: store.similarity(unit[:0]), r"m at least 1"),
        (lambda: store.similarity(unit * 2), "of norm 2 to 2"),
        (lambda: store.similarity(unit * torch.nan), "not finite"),
        (lambda: store.write_slice(tmp_path / "x", []), "indices is empty"),
        (lambda: store.write_slice(tmp_path / "x", [0], dtype="int4"), "dtype is 'int4'"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match=said):
            call()  # type: ignore[no-untyped-call]
    with pytest.raises(InputError, match="has no manifest.json"):
        LocalEmbeddingStore(tmp_path)
    Job(tmp_path / "job", {}, plan(1, 1), lambda shard: {"x": np.zeros(1)}).run()
    with pytest.raises(BadArtefact, match="holds 'the result of another job'.\n  Here 'local embeddings'"):
        LocalEmbeddingStore(tmp_path / "job")


def test_pictures_are_read_when_their_turn_comes(vlm: Patches, pixels: np.ndarray, tmp_path: Path) -> None:
    asked: list[int] = []

    class Data:
        def __len__(self) -> int:
            return N

        def __getitem__(self, index: int) -> np.ndarray:
            asked.append(index)
            one: np.ndarray = pixels[index]
            return one

    at: list[list[int]] = []
    build(vlm, CIRCLES, Data(), tmp_path / "a", progress=lambda done, n: at.append(list(asked)), **SETTINGS)
    assert at == [list(range(3)), list(range(6)), list(range(7))]


@pytest.fixture
def training(vlm: Patches) -> Iterator[Patches]:
    vlm.module.train()
    yield vlm
    vlm.module.eval()


def test_the_vlm_is_left_as_it_was(training: Patches, pixels: np.ndarray, tmp_path: Path) -> None:
    build(training, CIRCLES, pixels[:2], tmp_path / "a")
    assert training.module.training and all(p.grad is None for p in training.module.parameters())
