"""Each format is read by the tools that it is meant for, and says what the world says."""

from __future__ import annotations

import builtins
import io
import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seewhy.errors import MissingExtra
from seewhy.world.concepts import concept_names, present
from seewhy.world.drawing.renderer import render
from seewhy.world.export import rle
from seewhy.world.export.coco import annotations_of
from seewhy.world.export.export import export
from seewhy.world.export.records import Order, Record
from seewhy.world.grammar import SLOTS
from seewhy.world.tasks.kinds import KINDS
from seewhy.world.tasks.tasks import TASKS

N = 5


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two scenes a shard."""
    monkeypatch.setattr("seewhy.world.export.export._PER_SHARD", 2)


def made(folder: Path, format: str, task: str, split: str = "ci", size: int = 32) -> list[Record]:
    """The records that were written."""
    export(task, split, folder, format=format, size=size, n=N)
    order = Order.of(task, split, size=size)
    return [order.record(index) for index in range(N)]


def pixels(data: bytes | Path) -> np.ndarray:
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as image:
        return np.asarray(image)


def load(tmp_path: Path, path: str, **asked: Any) -> Any:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    return datasets.load_dataset(path, cache_dir=str(tmp_path / "cache"), **asked)


def test_tar_shards_hold_four_files_a_scene_and_no_times(tmp_path: Path) -> None:
    records = made(tmp_path / "a", "webdataset", "T4")
    assert sorted(path.name for path in (tmp_path / "a").glob("*.tar")) == [
        f"ci-{k:06d}.tar" for k in range(3)
    ]
    found: dict[str, bytes] = {}
    for path in sorted((tmp_path / "a").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar.getmembers():
                assert (member.mtime, member.uid, member.uname) == (0, 0, "")
                found[member.name] = tar.extractfile(member).read()  # type: ignore[union-attr]
    assert list(found)[:4] == [f"000000000.{end}" for end in ("png", "id.png", "part.png", "json")]
    for record in records:
        assert np.array_equal(pixels(found[f"{record.key}.png"]), record.rendered.rgb)
        assert np.array_equal(pixels(found[f"{record.key}.id.png"]), record.rendered.id_map)
        assert np.array_equal(pixels(found[f"{record.key}.part.png"]), record.rendered.part_map)
        about = json.loads(found[f"{record.key}.json"])
        assert about["labels"] == {"T4": record.label} and about["presence"] == record.presence
    assert len(found) == 4 * N


@pytest.mark.parametrize("split", ["test", "ood-compose"])
def test_datasets_reads_the_parquet_folder_by_itself(split: str, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    records = made(tmp_path / "a", "parquet", "T1", split)
    found = load(tmp_path, str(tmp_path / "a"))
    assert list(found) == [split.replace("-", "_")]
    rows = found[split.replace("-", "_")]
    features = rows.features
    assert features["label"] == datasets.ClassLabel(names=list(TASKS["T1"].classes))
    assert features["presence"].feature.names == list(concept_names("atomic"))
    assert all(isinstance(features[name], datasets.Image) for name in ("image", "ids", "parts"))
    for record, row in zip(records, rows, strict=True):
        assert np.array_equal(np.asarray(row["image"]), record.rendered.rgb)
        assert np.array_equal(np.asarray(row["ids"]), record.rendered.id_map)
        assert np.array_equal(np.asarray(row["parts"]), record.rendered.part_map)
        assert row["label"] == record.label and row["index"] == record.index
        assert row["presence"] == np.flatnonzero(present(record.scene)).tolist()
        assert row["captions"] == list(json.loads(row["about"])["captions"].values())


def test_labels_of_every_kind_are_parquet_columns(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    many = made(tmp_path / "many", "parquet", "T8", size=8)
    rows = load(tmp_path, str(tmp_path / "many"), split="ci")
    names = rows.features["label"].feature
    assert [names.int2str(row) for row in rows["label"]] == [record.label_names for record in many]
    numbers = made(tmp_path / "numbers", "parquet", "T11", size=8)
    rows = load(tmp_path, str(tmp_path / "numbers"), split="ci")
    assert list(rows["label"]) == [record.label for record in numbers]


def test_parquet_without_pyarrow_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"(?s)need pyarrow.*\n.*\n.*seewhy\[tables\]"):
        export("T1", "ci", tmp_path / "a", format="parquet", n=1)
    assert list(tmp_path.iterdir()) == []


def coco(folder: Path) -> Any:
    tools = pytest.importorskip("pycocotools.coco")
    kept, builtins.print = builtins.print, lambda *_, **__: None
    try:
        return tools.COCO(str(folder / "annotations.json"))
    finally:
        builtins.print = kept


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # theirs
@pytest.mark.parametrize("task", ["T4", "T6", "T8"])
def test_the_coco_tools_read_masks_boxes_and_areas(task: str, tmp_path: Path) -> None:
    mask_tools = pytest.importorskip("pycocotools.mask")
    records = made(tmp_path / "a", "coco", task, size=40)
    found = coco(tmp_path / "a")
    assert sorted(found.imgs) == list(range(N)) and len(set(found.anns)) == len(found.dataset["annotations"])
    for record in records:
        path = tmp_path / "a" / "images" / found.imgs[record.index]["file_name"]
        assert np.array_equal(pixels(path), record.rendered.rgb)
        whole = np.zeros((40, 40), int)
        for one in found.loadAnns(found.getAnnIds(imgIds=record.index)):
            mask = found.annToMask(one)
            assert one["area"] == mask.sum() > 0 and one["iscrowd"] == 0
            assert one["bbox"] == mask_tools.toBbox(one["segmentation"]).tolist()
            above = found.cats[one["category_id"]]["supercategory"]
            full = mask_tools.decode(one["amodal"]["segmentation"])
            assert one["amodal"]["area"] == full.sum()
            if above in SLOTS:
                creature = found.anns[one["part_of"]]
                assert found.cats[creature["category_id"]]["name"] == "creature"
                assert creature["image_id"] == record.index and (mask <= found.annToMask(creature)).all()
                assert creature["attributes"][above] == one["attributes"]["variant"]
            else:
                assert one["part_of"] is None
                whole += mask
        assert (whole == 1).all()  # background, objects, creatures and decoy share the picture out


def covered_creature() -> Record:
    """A creature that an object lies on, and below both an object that nobody sees."""
    order = Order.of("T4", "test", size=64)
    scene = next(one.scene for one in map(order.record, range(20)) if one.scene.objects)
    (creature,), thing = scene.creatures, scene.objects[0]
    below = replace(thing, id=90, shape="disk", x=creature.x, y=creature.y, radius=0.02)
    above = replace(thing, shape="square", x=creature.x + 0.1, y=creature.y, radius=0.1)
    scene = replace(scene, items=(below, creature, above))
    return Record(order, 7, scene, render(scene, 64))


def test_coco_masks_are_those_of_the_rendering() -> None:
    record = covered_creature()
    rendered, found = record.rendered, annotations_of(record)
    assert not rendered.visible[0].any() and (rendered.visible[1] != rendered.full[1]).any()
    assert [one["id"] for one in found] == [7001 + k for k in range(len(found))]  # never 0, which tools skip
    by_kind: dict[bool, list[Any]] = {True: [], False: []}
    for one in found:
        by_kind["slot" in one["attributes"]].append(one)
    _, creature, above = by_kind[False]
    for one, at in ((creature, 1), (above, 2)):
        assert np.array_equal(rle.decode(one["segmentation"]), rendered.visible[at])
        assert np.array_equal(rle.decode(one["amodal"]["segmentation"]), rendered.full[at])
    for one in by_kind[True]:
        at = SLOTS.index(one["attributes"]["slot"])
        assert one["part_of"] == creature["id"]
        assert np.array_equal(rle.decode(one["segmentation"]), rendered.part_map == at + 2)
        full = rendered.part_coverage[0, at + 1] >= 0.5
        assert np.array_equal(rle.decode(one["amodal"]["segmentation"]), full)


def test_coco_categories_are_the_words_of_what_is_seen(tmp_path: Path) -> None:
    (record, *_) = made(tmp_path / "a", "coco", "T8")
    found = coco(tmp_path / "a")
    ours = found.loadAnns(found.getAnnIds(imgIds=0))
    names = [found.cats[one["category_id"]]["name"] for one in ours]
    assert names[0] == record.scene.background.kind and set(names) <= {*record.presence, "creature"}
    attributes = [one["attributes"] for one in ours if "texture" in one["attributes"]]
    assert [(a["shape"], a["colour"], a["texture"], a["size"]) for a in attributes] == [
        (o.shape, o.colour, o.texture, o.size) for o in record.scene.objects
    ]
    assert found.imgs[0]["captions"] == record.about["captions"]
    assert found.imgs[0]["presence"] == record.presence


def test_npz_archives_hold_rows_and_no_pickle(tmp_path: Path) -> None:
    records = made(tmp_path / "a", "npz", "T4")
    for record in records:
        with np.load(tmp_path / "a" / f"ci-{record.index // 2:06d}.npz", allow_pickle=False) as found:
            row = record.index % 2
            assert found["index"][row] == record.index and found["labels"][row] == record.label
            assert np.array_equal(found["images"][row], record.rendered.rgb)
            assert np.array_equal(found["ids"][row], record.rendered.id_map)
            assert np.array_equal(found["parts"][row], record.rendered.part_map)
            assert np.array_equal(found["presence"][row], present(record.scene))
            assert found["captions"][row].tolist() == list(record.about["captions"].values())
            assert json.loads(str(found["about"][row]))["key"] == record.key


def test_a_folder_has_a_line_for_each_scene_that_names_its_files(tmp_path: Path) -> None:
    records = made(tmp_path / "a", "folder", "T5")
    lines = (tmp_path / "a" / "records.jsonl").read_text().splitlines()
    for record, line in zip(records, lines, strict=True):
        about = json.loads(line)
        assert about["key"] == record.key and tuple(about["group"]) == TASKS["T5"].group(record.scene)
        for what, expected in (("image", "rgb"), ("ids", "id_map"), ("parts", "part_map")):
            drawn = pixels(tmp_path / "a" / about["files"][what])
            assert np.array_equal(drawn, getattr(record.rendered, expected))


def test_funnybirds_layout_has_pictures_by_class_with_alpha(tmp_path: Path) -> None:
    records = made(tmp_path / "a", "funnybirds", "T4", "test")
    folder = tmp_path / "a"
    entries = json.loads((folder / "dataset_test.json").read_text())
    parts = json.loads((folder / "parts.json").read_text())
    classes = json.loads((folder / "classes.json").read_text())
    assert [tuple(parts[s][c["parts"][s]]["model"] for s in SLOTS) for c in classes] == [
        kind.variants for kind in KINDS
    ]
    for at, (record, entry) in enumerate(zip(records, entries, strict=True)):
        assert entry["class_idx"] == record.label
        image = pixels(folder / "test" / str(record.label) / f"{at:06d}.png")
        assert image.shape == (32, 32, 4) and np.array_equal(image[..., :3], record.rendered.rgb)
        coloured = pixels(folder / "test_part_map" / str(record.label) / f"{at:06d}.png")[..., :3]
        beak = (coloured == (255, 255, 0)).all(2)
        assert np.array_equal(beak, record.rendered.part_map == SLOTS.index("beak") + 2)
        assert np.array_equal((coloured == 0).all(2), record.rendered.part_map == 0)
        missing = {slot for slot, name in record.scene.creatures[0].variants.items() if name == "none"}
        assert {f"{slot}_model" for slot in SLOTS if slot not in missing} == set(entry) - {"class_idx"}
