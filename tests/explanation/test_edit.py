"""Edits of concepts: logits move by the closed form, undoing is exact, and the smallest flip flips."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.errors import InputError, NotSupported, UnknownConcept, UnknownName
from seewhy.explanation import ConceptEvidence, Elsewhere, Explanation, Readout
from seewhy.explanation.edit import share_of
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture
from tests.made_answers import made_explanation

GRID, SIZE = (3, 5), (60, 100)
CLASSES = ("wader", "walker", "swimmer", "flyer")


def explained(
    target: int | str = 1, *, n: int = 6, classes: tuple[str, ...] = CLASSES, seed: int = 0
) -> Explanation:
    """A bottleneck's answer to one picture; equation (1) with numbers drawn."""
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(n, *GRID)).astype(np.float32)
    readout = Readout(
        rng.normal(size=(len(classes), n)),
        rng.normal(size=len(classes)),
        rng.normal(size=len(classes)),
        classes,
    )
    logits = readout.logits(maps.astype(np.float64).mean((1, 2)))
    k = classes.index(target) if isinstance(target, str) else target
    concepts = tuple(
        ConceptEvidence(f"concept {m}", m, maps[m], *share_of(maps[m], readout.weight[k, m]))
        for m in range(n)
    )
    return Explanation(
        image=Picture(np.zeros((*SIZE, 3), np.uint8), "a"),
        geometry=Geometry.stretch(SIZE, (30, 50)),
        prediction=readout.predictions(logits),
        target=readout.prediction(logits, k),
        concepts=concepts[::-1],
        kind="share",
        bias=float(readout.bias[k]),
        elsewhere=(Elsewhere("around the concepts", float(readout.rest[k])),),
        remainder=0.0,
        rerun=lambda other: explained(other, n=n, classes=classes, seed=seed),
        readout=readout,
    )


def logits_of(e: Explanation) -> list[float]:
    return [e._for(k).target.logit for k in range(4)]


@pytest.mark.parametrize(("box", "cells"), [((20, 0, 60, 20), 2.0), ((10, 10, 50, 30), 2.0), (None, 15.0)])
def test_an_added_amount_moves_every_logit_by_the_closed_form(
    box: tuple[int, ...] | None, cells: float
) -> None:
    before = explained()
    after = before.edit("concept 4", -2.5, box=box) if box else before.edit("concept 4", -2.5)
    assert before.readout is not None
    expected = before.readout.weight[:, 4] * -2.5 * cells / 15
    np.testing.assert_allclose(np.subtract(logits_of(after), logits_of(before)), expected, atol=1e-6)
    totals = after.totals
    assert totals.gap == pytest.approx(0, abs=1e-6)
    assert totals.logit == pytest.approx(before.target.logit + expected[1], abs=1e-6)


def test_a_removed_or_fixed_concept_contributes_what_is_left() -> None:
    before = explained()
    assert before.readout is not None
    assert before.edit(2, 0, op="scale").concept(2).contribution == 0
    fixed = before.edit(2, 1.5, op="set").concept(2)
    assert fixed.contribution == pytest.approx(before.readout.weight[1, 2] * 1.5)
    doubled = before.edit(2, 2, op="scale", point=(99, 59)).concept(2)
    old, new = before.concept(2).map, doubled.map
    assert new[2, 4] == 2 * old[2, 4]
    new = new.copy()
    new[2, 4] = old[2, 4]
    assert (new == old).all()


def test_every_other_concept_stays_and_the_explanation_before_is_kept() -> None:
    before = explained()
    maps = {c.name: c.map.copy() for c in before.concepts}
    after = before.edit("concept 0", 3, box=(0, 0, 50, 50)).edit("concept 5", 0, op="scale")
    changed = {name for name, old in maps.items() if not np.array_equal(after.concept(name).map, old)}
    assert changed == {"concept 0", "concept 5"}
    assert all((before.concept(name).map == old).all() for name, old in maps.items())
    assert after.edited_from is not None and after.edited_from.edited_from is before
    assert [str(edit) for edit in after.edits] == [
        "concept 0 +3 in 42% of the picture",
        "concept 5 x0",
    ]
    assert after.to_dict()["edits"] == [str(edit) for edit in after.edits]


def test_the_contrary_of_an_edit_restores_the_logits() -> None:
    before = explained()
    there = before.edit(3, 1.75, mask=np.eye(60, 100))
    back = there.edit(3, -1.75, mask=np.eye(60, 100))
    np.testing.assert_allclose(logits_of(back), logits_of(before), atol=1e-6)
    assert abs(there.target.logit - before.target.logit) > 1e-3


def test_edits_in_the_parts_of_a_picture_add_up() -> None:
    before = explained()
    whole = before.edit(1, 2.0).target.logit - before.target.logit
    left = before.edit(1, 2.0, box=(0, 0, 37, 60)).target.logit - before.target.logit
    right = before.edit(1, 2.0, box=(37, 0, 100, 60)).target.logit - before.target.logit
    assert left + right == pytest.approx(whole, abs=1e-6)


def test_a_contrast_of_an_edited_answer_is_edited() -> None:
    before = explained()
    after = before.edit(1, 2.0)
    assert before.readout is not None
    moved = (
        after.contrast("wader", "flyer").logit_difference - before.contrast("wader", "flyer").logit_difference
    )
    assert moved == pytest.approx(2 * (before.readout.weight[0, 1] - before.readout.weight[3, 1]), abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_the_smallest_flip_flips_and_a_smaller_one_does_not(seed: int) -> None:
    e = explained(seed=seed)
    found = 0
    for index in range(6):
        for to in CLASSES:
            amount = e.flip(index, to, box=(0, 0, 60, 60))
            tried = np.linspace(-400, 400, 8001)
            assert e.readout is not None
            base = np.array(logits_of(e))
            wins = [
                (base + e.readout.weight[:, index] * 0.6 * t).argmax() == CLASSES.index(to) for t in tried
            ]
            if amount is None:
                assert not any(wins)
                continue
            found += 1
            assert e.edit(index, amount, box=(0, 0, 60, 60)).prediction[0].name == to
            if any(wins):
                least = np.abs(tried[wins]).min()
                assert abs(amount) <= least + 1e-3 * least + 1e-6 and abs(amount) >= least - 0.11
    assert found > 5


def test_a_class_that_wins_already_needs_nothing() -> None:
    e = explained()
    assert e.flip(0, e.prediction[0].name) == 0.0


def test_one_class_is_a_sigmoid() -> None:
    e = explained(0, classes=("only",))
    after = e.edit(0, 1.0)
    assert after.target.score == pytest.approx(1 / (1 + np.exp(-after.target.logit)))
    assert e.flip(0, "only") == 0.0


def test_what_cannot_be_edited_says_why() -> None:
    e = explained()
    with pytest.raises(NotSupported, match="not linear in concepts"):
        Explanation(**{**vars(e), "readout": None}).edit(0, 1)
    with pytest.raises(NotSupported, match="loaded from a file"):
        made_explanation().edit(0, 1)
    with pytest.raises(NotSupported, match="It was edited, and no picture looks so"):
        e.edit(0, 1)._require("check")
    with pytest.raises(UnknownConcept, match="'concept 9' is not among 6 concepts"):
        e.edit("concept 9", 1)
    with pytest.raises(InputError, match=r"operation is 'ad'(.|\n)*'add'"):
        e.edit(0, 1, op="ad")
    for wrong in (float("nan"), True, "2", None):
        with pytest.raises(InputError, match="The amount is"):
            e.edit(0, wrong)
    with pytest.raises(UnknownName, match=r"no class 'wadder'(.|\n)*wader"):
        e.flip(0, "wadder")
