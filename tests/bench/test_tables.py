"""The two tables on a glass box: the oracle at its ceiling, chance at its floor, exact methods where they must be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seewhy.attribution.methods import METHODS
from seewhy.bench import how_much as how_much_module
from seewhy.bench.explainers import Explainer, methods
from seewhy.bench.how_much import account, how_much
from seewhy.bench.run import run
from seewhy.bench.subject import Subject
from seewhy.bench.subjects import MIXED, SCALE, glass
from seewhy.bench.where import where
from seewhy.errors import InputError, NotSupported, UnknownName
from seewhy.evaluate.how_much.agreement import Spearman
from seewhy.world.truth.models import Truth, causal_map

FAST = ("channels", "gradcam", "hirescam", "saliency")


def _fast(subject: Subject) -> list[Explainer]:
    return [one for one in methods(subject, 0) if one.name in FAST]


@pytest.fixture(scope="module")
def coloured() -> Subject:
    return glass("where", 24, 0)


@pytest.fixture(scope="module")
def mixed() -> Subject:
    return glass("how-much", 24, 0)


def test_where_puts_rows_between_ceiling_and_floor(coloured: Subject) -> None:
    table = where(coloured, explainers=_fast(coloured))
    assert table.problems() == () and {"nra", "auroc", "average_precision"} <= set(table.columns)
    # Counting colours in cells is all that this network does: no map on its grid can be better than these.
    for name in ("hirescam", "channels"):
        assert table.row(name).values["auroc"].mean > 0.95
        assert table.against_random("nra")[name][1] < 0.01
    at_grid = table.row("oracle@8x8").values["nra"].mean
    assert table.row("hirescam").values["nra"].mean <= at_grid + 0.01


def test_how_much_finds_the_methods_that_are_exact(mixed: Subject) -> None:
    table = how_much(mixed, explainers=_fast(mixed))
    assert table.problems() == () and table.facts["largest efficiency gap"] < 1e-5
    for name in ("hirescam", "channels"):
        assert table.row(name).values["pearson"].mean > 0.98
    assert table.row("oracle@8x8").values["spearman"].mean > 0.99
    assert abs(table.row("saliency").values["pearson"].mean) < 0.5


def test_one_scale_for_all_scenes_of_an_explainer_is_fitted_and_told(mixed: Subject) -> None:
    table = how_much(mixed, explainers=_fast(mixed))
    scales = {row.name: row.values["normalised_l1"].extras["scale"] for row in table.rows}
    assert scales["oracle"] == pytest.approx(1.0) and len(set(scales.values())) > 3
    assert "scale" not in table.to_dict()["metrics"]["normalised_l1"]["options"]
    assert any("one number for all scenes" in note for note in table.notes())
    assert table.to_dict()["remarks"] and "normalised_l1" in table.columns


def test_scenes_asked_twice_count_once(coloured: Subject) -> None:
    twice = replace(
        coloured,
        scenes=coloured.scenes[:11] * 2,
        targets=np.tile(coloured.targets[:11], 2),
        evidence=np.tile(coloured.evidence[:11], (2, 1, 1)),
    )
    with pytest.raises(InputError, match="The subject has 11 scenes"):
        where(twice, explainers=[])


def test_the_account_of_the_glass_box_is_its_weights_times_its_colours(mixed: Subject) -> None:
    truths = account(mixed).truths
    checked = 0
    for truth, drawn in zip(truths, mixed.rendered, strict=True):
        for at, item in enumerate(truth.scene.items):
            place = next(
                (k for k, f in enumerate(truth.factors) if f.kind == "object" and f.ids == (item.id,)), None
            )
            if place is None or (drawn.visible[at] != drawn.full[at]).any() or item.texture != "solid":  # type: ignore[union-attr]
                continue
            share = float(drawn.full[at].mean())
            wanted = SCALE * MIXED[item.colour] * share  # type: ignore[union-attr]
            # Half-covered pixels are neither colour: an edge counts for less than its area.
            assert truth.values[place] == pytest.approx(wanted, rel=0.45, abs=0.01)
            assert np.sign(truth.values[place]) == np.sign(wanted)
            checked += 1
    assert checked >= 10


def test_an_explainer_that_cannot_is_left_out_with_its_reason(coloured: Subject) -> None:
    def refuse() -> tuple[np.ndarray, float | None]:
        raise NotSupported("No maps here.\n  More words.")

    table = where(coloured, explainers=[Explainer("mute", "method", refuse)])
    assert table.left_out["mute"] == "No maps here." and all(row.name != "mute" for row in table.rows)


def test_truth_that_does_not_add_up_would_be_seen(mixed: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    real = how_much_module.shapley

    def wrong(*args: object, **options: object) -> Truth:
        truth = real(*args, **options)  # type: ignore[arg-type]
        truth.values[:] *= 1.5
        return truth

    monkeypatch.setattr(how_much_module, "shapley", wrong)
    assert how_much(mixed, explainers=[]).facts["largest efficiency gap"] > 1e-3


def test_every_method_has_a_row(coloured: Subject) -> None:
    names = {one.name.split(",")[0] for one in methods(coloured, 0)}
    assert names == {*METHODS, "channels"}


def test_too_few_scenes_and_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="whole number from 12 on"):
        glass("where", 11, 0)
    with pytest.raises(UnknownName, match="Did you mean 'glass'"):
        run("where", "glas", n=12)
    with pytest.raises(UnknownName, match="There is no table 'wher'"):
        run("wher")


def test_summing_over_masks_would_blame_the_perfect_map_for_its_grid(mixed: Subject) -> None:
    """docs/bench.md: a rank correlation of about 0.5 for sums, 1 for what `read_out` reads."""
    true = account(mixed)
    summed = np.full(true.values.shape, np.nan)
    at_grid = []
    for at, truth in enumerate(true.truths):
        coarse = causal_map(truth, mixed.rendered[at], (8, 8))
        at_grid.append(coarse)
        pixels = np.kron(coarse, np.ones((8, 8))) / 64
        for k in range(len(truth.factors)):
            summed[at, k] = pixels[true.masks[at][k]].sum()
    assert 0.3 < Spearman()(summed, true.values).mean < 0.7
    assert Spearman()(true.of(np.stack(at_grid)), true.values).mean > 0.99
