"""Two answers side by side: what is the same, what changed, and why some things cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.explanation import Answers, Explanation, Meta, Prediction, from_dict
from seewhy.explanation.comparison import compare
from seewhy.explanation.explanation import TOLERANCE
from seewhy.images.geometry import Geometry
from tests.explanation.make import attribution, explanation, picture


def of_model(answer: Any, sha: str | None = "a" * 64, **meta: Any) -> Any:
    model = {"id": "net.py:build", "sha256": sha} if sha else {}
    return replace(answer, meta=replace(answer.meta, model=model, **meta))


def changed(answer: Explanation, by: float = 2.0) -> Explanation:
    """The same concepts, each counting `by` times as much."""
    concepts = tuple(
        replace(c, contribution=by * c.contribution, shares=by * c.shares)  # type: ignore[operator]
        for c in answer.concepts
    )
    more = sum(c.contribution for c in concepts) - sum(c.contribution for c in answer.concepts)
    target = replace(answer.target, logit=answer.target.logit + more)
    return replace(answer, concepts=concepts, target=target, prediction=(target, *answer.prediction[1:]))


def test_an_answer_compared_with_itself_changes_nothing() -> None:
    for answer in (of_model(explanation()), of_model(attribution()), of_model(explanation(1, (1, 1)))):
        found = compare(answer, answer)
        assert found.differs == () and found.notes == ()
        assert found.difference is not None and not found.difference.map.any()
        assert all(row.change == 0 for row in (*found.concepts.rows, *found.totals))
        assert {fact.same for fact in found.facts} == {True}


def test_rows_match_by_name_and_their_changes_add_up_to_the_logits() -> None:
    first, second = of_model(explanation()), of_model(changed(explanation()))
    found = compare(first, second)
    assert [abs(row.change) for row in found.concepts.rows] == sorted(
        (abs(c.contribution) for c in first.concepts), reverse=True
    )
    for row in found.concepts.rows:
        assert (row.first, row.second) == pytest.approx(
            (first.concept(row.name).contribution, second.concept(row.name).contribution)
        )
        assert row.activations == (first.concept(row.name).activation,) * 2
    *parts, logit = found.totals
    assert logit.name == "= logit" and logit.change == pytest.approx(second.target.logit - first.target.logit)
    assert sum(row.change for row in parts) == pytest.approx(logit.change, abs=10 * TOLERANCE)


def test_the_difference_is_second_minus_first_on_the_picture() -> None:
    first, second = of_model(explanation()), of_model(changed(explanation(), 3.0))
    found = compare(first, second)
    assert found.difference is not None and found.why_no_difference is None
    np.testing.assert_allclose(found.difference.map, 2 * first.where, rtol=1e-5)
    np.testing.assert_allclose(found.difference.place(), second.place() - first.place(), rtol=1e-4, atol=1e-5)
    assert found.agreement.spearman.value == pytest.approx(1)
    assert found.difference.kind == "share"


def test_maps_of_other_grids_are_laid_on_a_common_one_that_keeps_the_sum() -> None:
    fine = of_model(explanation(grid=(6, 10)), "b" * 64)
    coarse = of_model(explanation(), "a" * 64)
    found = compare(coarse, fine)
    assert found.agreement.grid == (3, 5) and found.difference is not None
    assert found.difference.map.sum() == pytest.approx(fine.where.sum() - coarse.where.sum(), abs=1e-3)
    assert "grid" in found.differs and "model" in found.differs


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (of_model(explanation(), "b" * 64), "belong to different models"),
        (of_model(explanation(), None), "does not say which model"),
        (of_model(explanation(), choices={"layer": "layer3"}), "different layers: layer4, and layer3"),
        (
            of_model(explanation(), method={"name": "craft", "dictionary_sha256": "x"}),
            "different dictionaries",
        ),
        (of_model(attribution()), "an attribution map has no concepts"),
        (of_model(explanation(0)), "no concept is in both"),
    ],
)
def test_equal_names_elsewhere_are_not_matched_and_it_says_why(second: Any, said: str) -> None:
    found = compare(of_model(explanation()), second).concepts
    assert found.rows == () and said in str(found.why_not)


def test_found_concepts_match_only_within_one_named_dictionary() -> None:
    answer = explanation()
    found = replace(answer, concepts=tuple(replace(c, source="found") for c in answer.concepts))
    # Two dictionaries made by one method share its name and nothing else.
    unnamed = of_model(found, method={"name": "CRAFT", "dictionary": "nmf"})
    assert "do not say in which dictionary" in str(compare(unnamed, unnamed).concepts.why_not)
    named = of_model(found, method={"name": "CRAFT", "dictionary_sha256": "d" * 64})
    assert len(compare(named, named).concepts.rows) == 4
    other = of_model(found, method={"name": "CRAFT", "dictionary_sha256": "e" * 64})
    assert "different dictionaries" in str(compare(named, other).concepts.why_not)


def test_concepts_that_only_one_has_are_named() -> None:
    first = of_model(explanation(kind="effect", bias=None, remainder=None, meta=Meta(method={"name": "ig"})))
    second = replace(first, concepts=first.concepts[1:])
    found = compare(first, second)
    assert found.concepts.only_first == ("concept 0",) and found.concepts.only_second == ()
    assert len(found.concepts.rows) == 3 and found.totals == ()


def test_maps_of_two_methods_correlate_but_are_not_subtracted() -> None:
    found = compare(of_model(attribution()), of_model(attribution(meta=Meta(method={"name": "rise"}))))
    assert found.agreement.spearman.value == pytest.approx(1)
    assert found.difference is None
    assert "their numbers differ in meaning" in str(found.why_no_difference)
    assert found.fact("method").first == "gradcam" and "method" in found.differs


def test_shares_of_another_score_are_other_numbers() -> None:
    logit, odds = (
        of_model(attribution(kind="share", meta=Meta(method={"name": "ig", "score": score})))
        for score in ("logit", "log_odds")
    )
    why = str(compare(logit, odds).why_no_difference)
    assert why.endswith("shares of the logit, and shares of the log_odds")
    assert compare(odds, odds).difference is not None


def test_parameters_in_which_two_methods_of_one_name_differ_are_told() -> None:
    few, many = (attribution(meta=Meta(method={"name": "rise", "masks": n, "p": 0.5})) for n in (10, 99))
    fact = compare(few, many).fact("method")
    assert (fact.first, fact.second, fact.same) == ("rise (masks 10)", "rise (masks 99)", False)


def test_two_pictures_of_one_size_are_compared_by_place_with_a_caution() -> None:
    found = compare(of_model(explanation()), of_model(explanation(image=picture(seed=1))))
    assert found.differs == ("picture",)
    assert found.agreement.spearman.value == pytest.approx(1)
    assert found.difference is None and "two pictures" in str(found.why_no_difference)
    assert any("only where both show the same scene" in note for note in found.notes)
    assert len(found.concepts.rows) == 4


def test_two_pictures_of_different_sizes_have_no_common_place() -> None:
    found = compare(of_model(explanation()), of_model(explanation(image=picture(20, 20))))
    assert found.agreement.spearman.value is None
    assert "two pictures of different sizes" in str(found.agreement.overlap.why_not)


def test_an_answer_without_a_map_says_so() -> None:
    bare = tuple(replace(c, shares=None) for c in explanation().concepts)
    found = compare(of_model(explanation()), of_model(explanation(concepts=bare)))
    assert str(found.agreement.pearson.why_not).startswith("the second has no map: no concept tells")
    assert found.difference is None and len(found.concepts.rows) == 4


def test_parts_that_only_one_model_saw_are_left_out() -> None:
    seen = Geometry((30, 50), (6, 10), 0.2, 0.2, 0.0, 0.0)
    apart = replace(seen, tx=-10.0)
    found = compare(attribution(geometry=seen), attribution(geometry=apart))
    assert found.agreement.overlap.why_not == "no part of the picture was seen by both"


def test_classes_match_by_place_in_one_model_and_by_name_between_two() -> None:
    rows = (
        Prediction(1, "crane", 3.0, 0.7),
        Prediction(2, "crane", 2.0, 0.2),
        Prediction(5, "dog", 1.0, 0.1),
    )
    moved = tuple(replace(row, index=row.index + 3 * (row.name == "dog")) for row in rows[::-1])
    a = of_model(attribution(prediction=rows, target=rows[0]))
    one = compare(a, of_model(attribution(prediction=moved, target=rows[0]))).predictions
    assert [(p.name, p.first is None, p.second is None) for p in one] == [
        ("crane", False, False), ("crane", False, False), ("dog", False, True), ("dog", True, False),
    ]  # fmt: skip
    two = compare(a, of_model(attribution(prediction=moved, target=rows[0]), "b" * 64)).predictions
    assert [(p.name, p.first and p.first.index, p.second and p.second.index) for p in two] == [
        ("crane", 1, 1), ("crane", 2, 2), ("dog", 5, 8),
    ]  # fmt: skip


def test_two_models_that_explain_two_classes_are_warned_of() -> None:
    dog = Prediction(0, "dog", 2.0, 0.6)
    found = compare(of_model(attribution()), of_model(attribution(target=dog), "b" * 64))
    assert "two classes, cat and dog" in found.notes[0] and "logits of one size" in found.notes[1]
    assert [pair.name for pair in found.predictions] == ["cat", "dog"]
    assert compare(of_model(attribution()), of_model(attribution(target=dog))).notes == ()


def test_two_networks_of_one_name_are_told_apart_by_their_hash() -> None:
    fact = compare(of_model(attribution()), of_model(attribution(), "b" * 64)).fact("model")
    assert (fact.first, fact.second) == ("net.py:build (aaaaaaaa)", "net.py:build (bbbbbbbb)")


def test_pictures_that_files_do_not_hold_are_not_taken_for_one() -> None:
    a, b = explanation(), explanation(image=picture(seed=1))
    found = compare(from_dict(a.to_dict()), from_dict(b.to_dict()))
    assert found.fact("picture").same is None and found.difference is None
    assert "not known whether the pictures are one" in str(found.why_no_difference)
    held = compare(from_dict(a.to_dict(), image=a.image), a)
    assert held.fact("picture").same is True and held.difference is not None


def test_to_dict_is_strict_json_and_short_rows_say_what_was_left_out() -> None:
    found = compare(of_model(explanation()), of_model(changed(explanation())))
    data = json.loads(json.dumps(found.to_dict(top_k=1), allow_nan=False))
    assert data["schema"] == "seewhy.comparison/1" and data["first"]["concepts"] == []
    assert data["concepts"]["others"]["n"] == 3 and len(data["concepts"]["rows"]) == 1
    total = data["concepts"]["rows"][0]["change"] + data["concepts"]["others"]["change"]
    assert total == pytest.approx(data["totals"][0]["change"])
    assert from_dict(data["difference"]).where.shape == (3, 5)
    nothing = compare(attribution((1, 1)), attribution(image=picture(9, 9), meta=Meta()))
    json.dumps(nothing.to_dict(), allow_nan=False)


def test_several_answers_are_refused_with_the_way_out() -> None:
    many: Any = Answers([explanation(), explanation()])
    with pytest.raises(InputError, match=r"(?s)The second is a Answers.*two single answers.*answers\[0\]"):
        compare(explanation(), many)


def test_the_repr_is_one_line_that_names_what_differs() -> None:
    words = repr(compare(of_model(explanation()), of_model(explanation(), "b" * 64)))
    assert words == "Comparison('cat' and 'cat', differs: model, maps' rank correlation 1.00)"
