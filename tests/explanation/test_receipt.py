"""A receipt: its numbers follow from the measurements, its verdict from the numbers, and both survive JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import auc, r2_score

from seewhy.errors import BadArtefact, NotSupported
from seewhy.explanation import Explanation, Receipt, Replay, from_dict
from seewhy.explanation.receipt import Alone, Random, amounts, area, percent, r2_text
from tests.explanation.make import attribution, explanation


def receipt(**changes: Any) -> Receipt:
    """Exact numbers, and a map that beats chance on both curves."""
    fields: dict[str, Any] = {
        "predicted": (-1.0, 2.0, 0.5),
        "measured": (-1.0, 2.0, 0.5),
        "alone": (Alone("stripes", -1.0, -1.0),),
        "deletion_curve": (0.9, 0.2, 0.1),
        "insertion_curve": (0.1, 0.8, 0.9),
        "random_curve": (0.9, 0.4, 0.1),
        "random_sd": 0.05,
        "n_random": 16,
        "fill": "the picture's mean colour",
        "forwards": 9,
        "tail_forwards": 4,
    }
    return Receipt(**(fields | changes))


def test_r2_is_that_of_scikit_learn() -> None:
    measured, predicted = np.random.default_rng(0).normal(size=(2, 20))
    made = receipt(predicted=tuple(predicted), measured=tuple(measured))
    assert made.r2 == pytest.approx(r2_score(measured, predicted))
    assert made.worst == pytest.approx(np.abs(measured - predicted).max())
    assert made.worst_relative == pytest.approx(made.worst / np.abs(measured).max())


def test_areas_are_those_of_scikit_learn_and_a_flat_curve_has_its_height() -> None:
    curve = np.random.default_rng(1).uniform(size=8)
    assert area(curve.tolist()) == pytest.approx(auc(np.linspace(0, 1, 8), curve))
    assert area([0.3, 0.3]) == pytest.approx(0.3)


def test_random_showing_is_random_hiding_read_backwards() -> None:
    made = receipt(random_curve=(0.8, 0.7, 0.0))
    assert made.insertion_random is not None and made.deletion_random is not None
    assert made.insertion_random.mean == pytest.approx(made.deletion_random.mean)
    assert made.deletion_random == Random(pytest.approx(0.55), 0.05, 16)


CONSTANT = {"measured": (1.0, 1.0, 1.0)}
BAD_MAP = {"deletion_curve": (0.9, 0.8, 0.1), "insertion_curve": (0.1, 0.2, 0.9)}
NO_MAP = {"deletion_curve": (), "insertion_curve": (), "random_curve": ()}
NO_EDITS = {"predicted": (), "measured": (), "alone": ()}


@pytest.mark.parametrize(
    ("changes", "how_much", "where", "state"),
    [
        ({}, "holds", "holds", "holds"),
        ({"predicted": (-0.3, 1.4, 0.9)}, "partly", "holds", "partly"),
        ({"predicted": (2.0, -1.0, 0.5)}, "fails", "holds", "fails"),
        ({"deletion_curve": (0.9, 0.8, 0.1)}, "holds", "partly", "partly"),
        (BAD_MAP, "holds", "fails", "partly"),
        (NO_EDITS, None, "holds", "holds"),
        (NO_EDITS | BAD_MAP, None, "fails", "fails"),
        (NO_MAP, "holds", None, "holds"),
        (CONSTANT | {"predicted": (1.0, 1.05, 1.0)}, "holds", "holds", "holds"),
        (CONSTANT | {"predicted": (1.0, 1.5, 1.0)}, "fails", "holds", "fails"),
        ({"measured": (0.0, 0.0, 0.0)}, "fails", "holds", "fails"),
        ({"measured": (0.0, 0.0, 0.0), "predicted": (0.0, 0.0, 0.0)}, None, "holds", "holds"),
        (NO_EDITS | NO_MAP, None, None, "fails"),
    ],
)
def test_the_verdict_follows_from_the_parts(changes: Any, how_much: Any, where: Any, state: str) -> None:
    made = receipt(**changes)
    assert (made.how_much, made.where, made.state) == (how_much, where, state)
    assert made.passed == (state == "holds")
    words = {"holds": "Holds.", "partly": "Holds in part.", "fails": "Fails."}
    assert made.sentence().startswith(words[state])


def test_a_map_that_is_just_chance_does_not_pass() -> None:
    # Many curves, because a sum read backwards differs from it by rounding in some.
    for curve in np.random.default_rng(0).uniform(size=(50, 33)):
        chance = tuple(curve)
        made = receipt(deletion_curve=chance, insertion_curve=chance[::-1], random_curve=chance)
        assert not made.deletion_holds and not made.insertion_holds


def test_changes_within_rounding_have_no_r2() -> None:
    tiny = {"measured": (1e-9, -1e-9, 0.0), "predicted": (0.0, 0.0, 0.0)}
    assert receipt(**tiny, noise=1e-8).r2 is None
    assert receipt(**tiny, noise=1e-8).how_much is None
    assert receipt(**tiny, noise=0.0).r2 == 0.0


def test_the_sentence_tells_the_numbers_and_what_was_left_out() -> None:
    words = receipt(notes=("map: no concept tells its contribution by place.",)).sentence()
    for part in (
        "3 edits",
        "R2 1.000",
        "(0.35, random 0.45 ± 0.05)",
        "(0.65, random 0.45)",
        "Not tested: map:",
    ):
        assert part in words, part
    assert "do not predict" in receipt(predicted=(2.0, -1.0, 0.5)).sentence()
    assert "does not lower" in receipt(**BAD_MAP).sentence()


def test_numbers_in_words_say_no_more_than_is_true() -> None:
    assert (r2_text(0.99999), r2_text(1.0), r2_text(-7.0)) == ("0.999", "1.000", "below -1")
    assert amounts(0.2734, Random(0.2741, 0.005, 16)) == ("0.2734", "0.2741", "0.0050")
    assert amounts(0.5, Random(0.5, 0.0, 2)) == ("0.50", "0.50", "0.00")
    assert (percent(0.0001), percent(0.034), percent(1.1)) == ("under 0.1 %", "3.4 %", "110 %")


@pytest.mark.parametrize("changes", [{}, NO_EDITS, NO_MAP, CONSTANT, {"notes": ("map: why",), "seed": 7}])
def test_a_receipt_survives_json_in_both_forms_of_answer(changes: Any) -> None:
    made = receipt(**changes)
    for answer in (explanation(receipt=made), attribution(receipt=made)):
        data = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
        assert data["faithfulness"]["state"] == made.state
        assert from_dict(data).receipt == made


def test_a_file_of_before_receipts_is_read() -> None:
    data = explanation().to_dict()
    assert data["faithfulness"] is None
    del data["faithfulness"]
    assert from_dict(data).receipt is None


def test_the_verdict_of_a_file_is_made_from_its_measurements() -> None:
    data = explanation(receipt=receipt(predicted=(2.0, -1.0, 0.5))).to_dict()
    data["faithfulness"] |= {"state": "holds", "passed": True, "r2": 1.0}
    loaded = from_dict(data).receipt
    assert loaded is not None and loaded.state == "fails"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("measured", [1.0]),
        ("measured", [1.0, 2.0, float("nan")]),
        ("random_curve", [0.1]),
        ("n_random", None),
    ],
)
def test_a_damaged_receipt_is_refused(field: str, value: Any) -> None:
    data = explanation(receipt=receipt()).to_dict()
    data["faithfulness"][field] = value
    with pytest.raises(BadArtefact, match="cannot be read as seewhy.explanation/1"):
        from_dict(data)


def test_what_can_be_checked_is_told() -> None:
    replay = Replay((6, 10), lambda keep, fill, score: np.zeros(len(keep)), lambda f: np.zeros(len(f)))
    assert attribution(replay=replay).can("check") is None
    assert explanation(replay=replay).can("check") is None
    assert "loaded from a file" in str(explanation().can("check"))
    plain = explanation(replay=replay)
    silent = replace(
        plain, kind="variance", concepts=tuple(replace(concept, shares=None) for concept in plain.concepts)
    )
    assert "nothing of it can be tested" in str(silent.can("check"))
    assert isinstance(silent, Explanation)
    with pytest.raises(NotSupported, match="does not support 'check'"):
        silent._require("check")
