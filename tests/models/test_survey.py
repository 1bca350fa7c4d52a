"""One pass over a data set: against the plain network one by one, and what goes wrong with files and labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, LayerNotFound, UnknownName
from seewhy.images.picture import Picture
from seewhy.images.preprocess import Preprocess
from seewhy.models.survey import Survey, joined, survey, tail_is_affine, thumbnail
from tests.models.detectors import RECIPE, around, backbone, head, network, pictures


def saved(folder: Path, photos: list[np.ndarray], names: list[str]) -> Path:
    for photo, name in zip(photos, names, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(folder / name)
    return folder


@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_features_and_logits_are_those_of_the_plain_network(batch_size: int | None) -> None:
    net, photos = backbone(), pictures(7)
    data = survey(net, photos, batch_size=batch_size)
    for i, photo in enumerate(photos):
        x = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            torch.testing.assert_close(data.features[i], net.module[:2](x)[0])
            torch.testing.assert_close(data.logits[i], net.module(x)[0])
    assert len(data) == 7 and data.affine and data.plain and not data.failed
    np.testing.assert_array_equal(data.predicted, data.logits.argmax(1))
    assert data.layer == "1 (3x4x6)"


def test_the_network_runs_in_batches_and_not_picture_by_picture() -> None:
    net, calls = backbone(), []
    survey(net, pictures(2))  # layers and splits are found out once
    net.module[1].register_forward_hook(lambda _, __, output: calls.append(len(output)))
    survey(net, pictures(200))
    assert sorted(calls) == [1, 8, *[32] * 6]  # the one is the template


@pytest.mark.parametrize("make", [backbone, around], ids=["plain", "around"])
def test_a_cut_of_some_pictures_replays_their_logits(make: object) -> None:
    net = make()  # type: ignore[operator]
    data = survey(net, pictures(9))
    assert data.plain == (make is backbone)
    chosen = [8, 0, 3, 3, 5]
    for batch_size in (None, 2):
        cut = data.cut(np.array(chosen), batch_size=batch_size)
        with torch.no_grad():
            torch.testing.assert_close(data.split.tail(cut.features, cut.rest), data.logits[chosen])
        assert cut.rest.n == 5


def test_joined_batches_are_one_batch() -> None:
    net, data = around(), survey(around(), pictures(6))
    whole = data.cut(range(6))
    parts = [data.cut([0, 1, 2, 3]), data.cut([4]), data.cut([5])]
    both = joined(parts)
    torch.testing.assert_close(both.features, whole.features)
    for one, other in zip(data.split.ways_around(both), data.split.ways_around(whole), strict=True):
        assert one.name == other.name
        torch.testing.assert_close(one.value, other.value)
    assert net.fingerprint() == data.backbone.fingerprint()


def test_a_file_that_changed_or_went_is_told_where_it_is_read_again(tmp_path: Path) -> None:
    photos = pictures(4)
    folder = saved(tmp_path / "a", photos, [f"{i}.png" for i in range(4)])
    data = survey(around(), folder)
    assert all(seen.held is None for seen in data.seen)
    np.testing.assert_array_equal(data.seen[2].picture().pixels, photos[2])
    Image.fromarray(photos[1]).save(folder / "0.png")
    (folder / "3.png").unlink()
    with pytest.raises(
        InputError, match=r"(?s)0\.png changed since it was surveyed.*Survey the folder again"
    ):
        data.cut([1, 0])
    with pytest.raises(InputError, match=r"3\.png"):
        data.cut([3])
    data.cut([1, 2])


def test_files_that_cannot_be_read_are_left_out_and_named(tmp_path: Path) -> None:
    photos = pictures(4)
    folder = saved(tmp_path / "a", photos, ["warm/1.png", "warm/3.png", "cold/2.png", "cold/4[x].png"])
    (folder / "warm" / "2.png").write_bytes(b"no picture")
    data = survey(backbone(), folder)
    assert len(data) == 4 and list(data.failed) == ["warm/2.png"]
    assert [seen.name for seen in data.seen] == ["cold/2.png", "cold/4[x].png", "warm/1.png", "warm/3.png"]
    assert data.labels is not None
    np.testing.assert_array_equal(data.labels, [1, 1, 0, 0])
    np.testing.assert_array_equal(data.seen[1].picture().pixels, photos[3])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.png").write_bytes(b"no")
    with pytest.raises(InputError, match="None of the 1 pictures can be read"):
        survey(backbone(), tmp_path / "b")


def test_labels_may_count_pictures_that_cannot_be_read_or_not(tmp_path: Path) -> None:
    folder = saved(tmp_path, pictures(3), ["1.png", "3.png", "4.png"])
    (folder / "2.png").write_bytes(b"")
    for labels in (["cold", "warm", "warm", "cold"], ["cold", "warm", "cold"], np.array([1, 0, 0, 1])):
        found = survey(backbone(), folder, labels=labels).labels
        assert found is not None
        np.testing.assert_array_equal(found, [1, 0, 1])
    with pytest.raises(
        InputError, match=r"There are 2 labels for 3 pictures, 1 more cannot be read \(2\.png\)"
    ):
        survey(backbone(), folder, labels=["cold", "warm"])


def test_labels_match_names_without_case_else_numbers_else_nothing() -> None:
    photos = pictures(5)
    given = [
        (photos[0], "WARM"),
        (photos[1], "cold"),
        (photos[2], "1"),
        (photos[3], "tepid"),
        (photos[4], None),
    ]
    data = survey(backbone(), given_as_dataset(given))
    assert data.labels is not None
    np.testing.assert_array_equal(data.labels, [0, 1, 1, -1, -1])
    assert survey(backbone(), photos).labels is None
    nameless = Backbone(network(), preprocess=RECIPE, layer="1")
    found = survey(nameless, given_as_dataset([(photos[0], 1), (photos[1], 0)])).labels
    assert found is not None
    np.testing.assert_array_equal(found, [1, 0])


class given_as_dataset:
    def __init__(self, pairs: list[tuple[np.ndarray, object]]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[np.ndarray, object]:
        return self.pairs[index]


def test_a_label_by_index_counts_where_two_classes_share_a_name() -> None:
    module = nn.Sequential(*network()[:2], *head([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], None)).eval()
    net = Backbone(module, preprocess=RECIPE, classes=["crane", "owl", "crane"], layer="1")
    data = survey(net, pictures(3), labels=[2, 1, "crane"])
    assert data.labels is not None
    np.testing.assert_array_equal(data.labels, [2, 1, 0])
    by_name = survey(net, given_as_dataset([(photo, "crane") for photo in pictures(2)])).labels
    assert by_name is not None and by_name.tolist() == [0, 0], "the first of them is meant"


def test_labels_that_are_no_class_are_refused() -> None:
    with pytest.raises(UnknownName, match=r"(?s)'warn' is not among the 2 classes.*Did you mean 'warm'"):
        survey(backbone(), pictures(2), labels=["warn", "cold"])
    with pytest.raises(UnknownName, match="'predicted' is another class for each picture"):
        survey(backbone(), pictures(2), labels=["warm", "predicted"])
    with pytest.raises(InputError, match=r"(?s)There are 3 labels for 2 pictures\..*One label per picture"):
        survey(backbone(), pictures(2), labels=[0, 1, 1])


def test_a_survey_is_taken_as_it_is_but_for_its_own_network_and_layer_only() -> None:
    net = backbone()
    data = survey(net, pictures(4))
    assert survey(net, data) is data and survey(backbone(), data) is data
    again = survey(net, data, labels=["cold"] * 4)
    assert again.features is data.features and again.labels is not None and again.labels.tolist() == [1] * 4
    assert data.labels is None
    with pytest.raises(InputError, match=r"(?s)with other weights.*Survey the pictures with this network"):
        survey(backbone(network(bias=False)), data)
    with pytest.raises(InputError, match=r"(?s)made at 1 \(3x4x6\), and 0 \(3x4x6\) is asked.*Pass at='1'"):
        survey(net, data, at="0")
    with pytest.raises(LayerNotFound, match="No module 'layer9'"):
        survey(net, pictures(1), at="layer9")


def test_a_network_in_training_mode_is_surveyed_in_eval_mode_and_left_so() -> None:
    module = nn.Sequential(*network()[:2], nn.Dropout(0.9), *head([[1.0, 2, 3], [3.0, 2, 1]], [0.0, 0.0]))
    module.train()
    state = {name: value.clone() for name, value in module.state_dict().items()}
    rng = torch.get_rng_state()
    with torch.inference_mode():
        data = survey(Backbone(module, preprocess=RECIPE, layer="1"), pictures(3))
    assert module.training and all(child.training for child in module)
    assert torch.equal(torch.get_rng_state(), rng)
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert not any(child._forward_hooks for child in module.modules())
    pooled = data.features.mean((2, 3))
    torch.testing.assert_close(data.logits, pooled @ torch.tensor([[1.0, 2, 3], [3.0, 2, 1]]).T)


def test_whether_the_tail_is_affine_does_not_depend_on_the_pictures() -> None:
    black = np.zeros((16, 24, 3), np.uint8)
    bent = nn.Sequential(*network()[:2], nn.Tanh(), *head([[1.0, 2, 3], [3.0, 2, 1]], None)).eval()
    for module, affine in ((network(), True), (bent, False)):
        net = backbone(module)
        assert survey(net, [black]).affine == affine
        assert tail_is_affine(net, net.split(), net.input_size) == affine


def test_large_and_odd_pictures_are_kept_as_thumbnails() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (300, 1000, 3), dtype=np.uint8)
    assert thumbnail(photo).shape == (77, 256, 3)
    assert thumbnail(photo[:, :1]).shape == (256, 1, 3)
    assert thumbnail(photo[:9, :7]) is not None and thumbnail(photo[:9, :7]).shape == (9, 7, 3)
    np.testing.assert_array_equal(thumbnail(np.full((512, 600, 3), 77, np.uint8)), np.full((218, 256, 3), 77))
    sizes = [(300, 1000), (1, 1), (17, 400)]
    made = [Picture(photo[:1, :1].repeat(h, 0).repeat(w, 1), str(h)) for h, w in sizes]
    data = survey(backbone(), made)
    assert [seen.geometry.original for seen in data.seen] == sizes


def test_measures_and_progress_are_told_picture_by_picture() -> None:
    told: list[tuple[int, int]] = []
    data = survey(
        backbone(),
        pictures(5),
        measure=lambda picture: {"level": float(picture.pixels.mean())},
        batch_size=2,
        progress=lambda done, total: told.append((done, total)),
    )
    assert [seen.measured["level"] for seen in data.seen] == [p.mean() for p in pictures(5)]
    assert told == [(2, 2), (4, 4), (5, 5)]


def test_nothing_to_survey_and_a_batch_size_of_zero_are_refused() -> None:
    with pytest.raises(InputError, match="empty list"):
        survey(backbone(), [])
    with pytest.raises(InputError, match="batch_size is 0"):
        survey(backbone(), pictures(1), batch_size=0)
    with pytest.raises(InputError, match="came without its preprocessing"):
        survey(Backbone(network(), layer="1"), pictures(1))


def test_logits_that_are_not_finite_are_refused() -> None:
    module = network()
    net = backbone(module)
    net.layer()
    with torch.no_grad():
        module[4].bias[0] = float("nan")
    with pytest.raises(InputError, match="NaN"):
        survey(net, pictures(2))


def test_half_precision_is_surveyed_in_single() -> None:
    data = survey(Backbone(network().bfloat16(), preprocess=RECIPE, layer="1"), pictures(4))
    assert isinstance(data, Survey) and data.features.dtype == data.logits.dtype == torch.float32
    cut = data.cut([0, 2])
    assert cut.features.dtype == torch.bfloat16


def test_a_centre_crop_is_surveyed_with_its_geometry() -> None:
    net = Backbone(network(), preprocess=Preprocess(16, resize=20), layer="1")
    data = survey(net, [np.zeros((40, 90, 3), np.uint8)])
    assert data.seen[0].geometry.model == (16, 16) and data.features.shape == (1, 3, 4, 4)
