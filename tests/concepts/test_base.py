from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from seewhy.concepts.base import Dictionary
from seewhy.concepts.dictionaries import DICTIONARIES
from seewhy.concepts.factorise import NMF, PCA, KMeans
from seewhy.errors import BadArtefact, InputError, NotFitted, UnknownConcept, UnknownName

FAMILY = sorted(DICTIONARIES)
every = pytest.mark.parametrize("name", FAMILY)


def features(n: int = 300, c: int = 9, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.rand(n, 5, generator=generator) * (torch.rand(n, 5, generator=generator) < 0.5)
    noise = 0.05 * torch.rand(n, c, generator=generator)
    return codes @ torch.rand(5, c, generator=generator).square() + noise


def fitted(name: str, n_concepts: int = 4, seed: int = 0) -> Dictionary:
    return DICTIONARIES[name](n_concepts, seed=seed).fit(features())


@every
def test_a_fit_has_what_was_promised(name: str) -> None:
    found = fitted(name)
    assert found.name == name and found.paper
    assert found.atoms.shape == (4, 9) and found.mean.shape == (9,) and found.scales.shape == (4,)
    assert {found.atoms.dtype, found.mean.dtype, found.scales.dtype} == {torch.float32}
    codes = found.encode(features())
    assert float(codes.min()) >= 0 or not found.nonnegative_codes
    torch.testing.assert_close(found.decode(codes), found.mean + codes @ found.atoms)
    report = found.report
    assert report.rows == report.rows_given == 300 and report.converged and report.seconds
    assert 0 < report.rel_l2 < 0.6
    assert report.sparsity == pytest.approx(float((codes.abs() <= 1e-6).double().mean()), abs=1e-3)


@every
def test_scales_are_the_high_percentile_of_positive_codes(name: str) -> None:
    found = fitted(name)
    for codes, scale in zip(found.encode(features()).T, found.scales, strict=True):
        assert float(scale) == pytest.approx(np.percentile(codes[codes > 0], 99.5), rel=1e-4)


@every
def test_the_same_seed_gives_the_same_bytes_whatever_the_global_generators_do(
    name: str, tmp_path: Path
) -> None:
    before, before_np = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = fitted(name, seed=3).save_pretrained(tmp_path / "a")
    assert torch.equal(before, torch.get_rng_state())
    assert (before_np == np.random.get_state()[1]).all()  # noqa: NPY002
    with torch.random.fork_rng():
        torch.manual_seed(99)
        second = fitted(name, seed=3).save_pretrained(tmp_path / "b")
    for file in ("dictionary.json", "dictionary.safetensors"):
        assert (first / file).read_bytes() == (second / file).read_bytes()


@every
@pytest.mark.parametrize("grid", [(3, 5), (1, 1), (7, 2)])
def test_maps_are_the_codes_of_each_place_and_rebuild_undoes_them(name: str, grid: tuple[int, int]) -> None:
    found = fitted(name)
    h, w = grid
    pictures = features(2 * h * w).reshape(2, h, w, 9).permute(0, 3, 1, 2)
    maps = found.maps(pictures)
    assert maps.shape == (2, 4, h, w)
    place = pictures[1, :, h - 1, 0]
    torch.testing.assert_close(maps[1, :, h - 1, 0], found.encode(place[None])[0])
    rebuilt = found.rebuild(maps)
    torch.testing.assert_close(rebuilt[1, :, h - 1, 0], found.decode(found.encode(place[None]))[0])


@every
def test_no_pictures_give_no_maps(name: str) -> None:
    maps = fitted(name).maps(torch.zeros(0, 9, 3, 5))
    assert maps.shape == (0, 4, 3, 5)
    assert fitted(name).rebuild(maps).shape == (0, 9, 3, 5)


@every
def test_codes_can_be_differentiated(name: str) -> None:
    found = fitted(name)
    rows = (features(6, seed=1) - 0.1).double().requires_grad_(True)
    if found.differentiable:
        # Codes are exact to 1e-8, so that a step of 1e-4 is exact to 1e-4.
        assert torch.autograd.gradcheck(found.encode, (rows,), eps=1e-4, atol=1e-3)
    else:
        assert (torch.autograd.grad(found.encode(rows).sum(), rows)[0] == 0).all()


@every
def test_saved_and_loaded_it_is_the_same(name: str, tmp_path: Path) -> None:
    found = fitted(name).rename({1: "beak", "concept 2": "größe"})
    again = Dictionary.from_pretrained(found.save_pretrained(tmp_path / "new" / "folder"))
    assert type(again) is type(found) and again.parameters() == found.parameters()
    assert again.names == ("concept 0", "beak", "größe", "concept 3")
    assert again.report == found.report and again.report.seconds is None
    assert torch.equal(again.encode(features()), found.encode(features()))
    assert torch.equal(again.scales, found.scales)


@every
def test_one_channel_and_one_concept_are_enough(name: str) -> None:
    found = DICTIONARIES[name](1).fit(features(20, 1))
    assert found.decode(found.encode(features(20, 1))).shape == (20, 1)


@every
def test_nothing_works_before_a_fit(name: str) -> None:
    dictionary = DICTIONARIES[name](3)
    for use in (
        lambda: dictionary.atoms,
        lambda: dictionary.report,
        lambda: dictionary.encode(features()),
        lambda: dictionary.decode(torch.zeros(1, 3)),
        lambda: dictionary.maps(torch.zeros(1, 9, 2, 2)),
        lambda: dictionary.save_pretrained("nowhere"),
    ):
        with pytest.raises(NotFitted, match=r"has not been fitted.\n.*\n  Call fit\(features\)"):
            use()
    assert "not fitted" in repr(dictionary)


@every
def test_features_that_cannot_be_fitted_are_told(name: str) -> None:
    make = DICTIONARIES[name]
    with pytest.raises(InputError, match="3 rows of 9 channels for 4 concepts"):
        make(4).fit(features(3))
    broken = features()
    broken[5, 2], broken[7, 1] = float("nan"), float("inf")
    with pytest.raises(InputError, match="2 of 2,700 feature values are NaN or infinite"):
        make(4).fit(broken)
    with pytest.raises(InputError, match="All 9 channels are constant over the 20 rows"):
        make(4).fit(torch.full((20, 9), 0.3))
    with pytest.raises(InputError, match=r"fit got torch.int64 \(20, 9\)"):
        make(4).fit(torch.ones(20, 9).long())
    with pytest.raises(InputError, match="fit got ndarray"):
        make(4).fit(np.ones((20, 9)))


def test_features_of_another_layer_are_told() -> None:
    found = fitted("nmf")
    with pytest.raises(InputError, match=r"have 8 channels.\n  This dictionary was fitted on 9"):
        found.encode(torch.ones(2, 8))
    with pytest.raises(InputError, match=r"encode got torch.float32 \(2, 9, 3, 3\)"):
        found.encode(torch.ones(2, 9, 3, 3))
    with pytest.raises(InputError, match=r"maps got torch.float32 \(2, 9\)"):
        found.maps(torch.ones(2, 9))
    with pytest.raises(InputError, match="codes have 5 columns"):
        found.decode(torch.ones(2, 5))
    with pytest.raises(InputError, match="NaN"):
        found.encode(torch.full((1, 9), float("nan")))


@pytest.mark.parametrize("bad", [0, -1, 2.5, True, "10"])
def test_numbers_of_concepts_that_make_no_sense_are_told(bad: object) -> None:
    with pytest.raises(InputError, match=r"n_concepts is .*\n  It is a whole number, 1 or more") as caught:
        NMF(bad)  # type: ignore[arg-type]
    assert repr(bad) in str(caught.value)


@every
def test_dead_channels_are_named_and_do_no_harm(name: str) -> None:
    rows = features()
    rows[:, 2], rows[:, 6] = 0, 1.5
    found = DICTIONARIES[name](3).fit(rows)
    assert found.report.dead_channels == (2, 6)
    assert torch.isfinite(found.atoms).all()


def test_unused_concepts_are_named() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(10, 1)
    found = KMeans(3).fit(rows)
    assert len(found.report.unused_concepts) == 1
    assert float(found.scales[found.report.unused_concepts[0]]) == 1


@every
def test_a_sample_of_rows_is_fitted_and_told(name: str) -> None:
    rows = features(500)
    found = DICTIONARIES[name](3, max_rows=100, seed=1).fit(rows)
    assert (found.report.rows, found.report.rows_given) == (100, 500)
    other = DICTIONARIES[name](3, max_rows=100, seed=2).fit(rows)
    assert not torch.equal(found.atoms, other.atoms)
    with pytest.raises(InputError, match="max_rows is 2 for 3 concepts"):
        DICTIONARIES[name](3, max_rows=2).fit(rows)


@every
def test_half_precision_and_inference_mode_are_taken(name: str) -> None:
    with torch.inference_mode():
        found = DICTIONARIES[name](3).fit(features().half())
    assert found.atoms.dtype == found.encode(features().bfloat16()).dtype == torch.float32
    rows = features().requires_grad_(True)
    found.encode(rows).sum().backward()
    assert rows.grad is not None


@every
def test_a_fit_leaves_the_features_as_they_were(name: str) -> None:
    rows = features()
    DICTIONARIES[name](3).fit(rows)
    assert torch.equal(rows, features())


def test_renaming_is_checked() -> None:
    found = NMF(3)
    assert found.names == ("concept 0", "concept 1", "concept 2")
    assert found.rename({"concept 1": "wing"}).rename({"wing": "tail"}).names[1] == "tail"
    with pytest.raises(UnknownConcept, match=r"no concept 'tial'.\n  Did you mean 'tail'"):
        found.rename({"tial": "x"})
    with pytest.raises(UnknownConcept, match="no concept 3"):
        found.rename({3: "x"})
    with pytest.raises(InputError, match="Two concepts would be named 'tail'"):
        found.rename({0: "tail"})
    with pytest.raises(InputError, match="A name is ' '"):
        found.rename({0: " "})
    assert found.names == ("concept 0", "tail", "concept 2")


def test_any_changed_byte_of_a_saved_dictionary_is_noticed(tmp_path: Path) -> None:
    fitted("nmf").save_pretrained(tmp_path)
    for file, step in (("dictionary.json", 53), ("dictionary.safetensors", 29)):
        whole = (tmp_path / file).read_bytes()
        for at in range(0, len(whole), step):
            if chr(whole[at]).isspace():
                continue  # indentation carries nothing
            (tmp_path / file).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(BadArtefact):
                Dictionary.from_pretrained(tmp_path)
        (tmp_path / file).write_bytes(whole)
    assert Dictionary.from_pretrained(tmp_path).name == "nmf"


def test_folders_that_hold_something_else_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no dictionary.json"):
        Dictionary.from_pretrained(tmp_path)
    (tmp_path / "dictionary.json").write_text(json.dumps({"schema": "other/2"}))
    with pytest.raises(BadArtefact, match=r"schema 'other/2'.\n  This version reads seewhy.dictionary/1"):
        Dictionary.from_pretrained(tmp_path)
    (tmp_path / "dictionary.json").write_text("[1, 2]")
    with pytest.raises(BadArtefact, match="is damaged"):
        Dictionary.from_pretrained(tmp_path)
    fitted("pca").save_pretrained(tmp_path)
    with pytest.raises(BadArtefact, match=r"kind 'pca'.\n  NMF reads nmf"):
        NMF.from_pretrained(tmp_path)
    (tmp_path / "dictionary.safetensors").unlink()
    with pytest.raises(BadArtefact, match="is damaged"):
        PCA.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="cannot be written"):
        fitted("pca").save_pretrained(tmp_path / "dictionary.json")


class Mine(PCA):
    """A dictionary of the user's, in no registry."""

    name = "mine"


def test_a_dictionary_of_the_users_own_is_read_by_its_class(tmp_path: Path) -> None:
    folder = Mine(2).fit(features()).save_pretrained(tmp_path)
    assert isinstance(Mine.from_pretrained(folder), Mine)
    with pytest.raises(BadArtefact, match="kind 'mine'"):
        Dictionary.from_pretrained(folder)


def test_names_and_aliases_lead_to_classes() -> None:
    assert FAMILY == ["ica", "kmeans", "nmf", "pca", "semi_nmf"]
    assert DICTIONARIES["semi-nmf"] is DICTIONARIES["SemiNMF"]
    with pytest.raises(UnknownName, match="Did you mean 'nmf'"):
        DICTIONARIES["nmff"]


@pytest.mark.gpu
@every
def test_a_graphics_card_finds_the_same(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    here, there = fitted(name), DICTIONARIES[name](4).fit(features().cuda())
    assert there.atoms.is_cuda and there.encode(features().cuda()).is_cuda
    assert there.report.rel_l2 == pytest.approx(here.report.rel_l2, rel=1e-3)
    assert there.encode(features()).device.type == "cpu"
