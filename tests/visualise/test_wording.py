"""Names are others' text, numbers keep one form per column."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.images.geometry import Geometry
from seewhy.visualise.wording import clean, listing, number, score_text, sentence, signed_column
from tests.made_answers import made_attribution, made_effects, made_explanation, made_picture


def test_a_name_cannot_send_escape_sequences_or_turn_its_surroundings() -> None:
    dirty = "a\x1b[31mred\x07\r\nb\u202egnp\u2028c\ud800d\x7f"
    shown = clean(dirty)
    assert shown.isprintable()
    assert shown.encode() and "\u202e" not in shown and "\n" not in shown
    assert shown.startswith("a\ufffd[31mred")


def test_joined_letters_and_other_scripts_stay_whole() -> None:
    for name in ("naïve", "כלב", "猫", "👩‍🔬", "नमस्ते"):
        assert clean(name) == name


def test_long_names_end_in_an_ellipsis() -> None:
    assert clean("x" * 300, 20) == "x" * 19 + "…"
    assert clean("x" * 20, 20) == "x" * 20


def test_a_column_has_one_count_of_decimals_and_no_negative_nothing() -> None:
    assert signed_column([2.414, -0.42, -0.0004]) == ["+2.41", "-0.42", "+0.00"]
    assert signed_column([0.0123, 0.4]) == ["+0.012", "+0.400"]
    assert signed_column([123.456, 7.0], sign=False) == ["123.46", "7.00"]
    assert signed_column([0.0, 0.0]) == ["+0.00", "+0.00"]
    assert signed_column([]) == []


@pytest.mark.parametrize(("value", "shown"), [(3e-7, "3.00e-07"), (2.5e9, "2.50e+09"), (0.00123, "0.00123")])
def test_extreme_numbers_are_written_with_powers_of_ten(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("score", "shown"),
    [
        (0.94, "0.94"),
        (0.99963, "0.9996"),
        (0.999999, "0.9999"),
        (1.0, "1.00"),
        (0.0004, "0.0004"),
        (0.0, "0.00"),
    ],
)
def test_a_score_is_never_rounded_to_certainty(score: float, shown: str) -> None:
    assert score_text(score) == shown


def test_the_sentence_says_where_or_why_not() -> None:
    assert "is strongest in the centre (" in sentence(made_attribution())
    nothing = made_attribution(map=-np.ones((2, 2), np.float32))
    assert sentence(nothing) == "Nothing in the picture speaks for painted bunting."
    above = np.zeros((4, 4), np.float32)
    above[0, 1] = 1
    # A 40x20 picture in the lower half of a 40x40 input: the first row of cells holds only padding.
    padded = Geometry((20, 40), (40, 40), 1.0, 1.0, 0.0, 20.0)
    answer = made_attribution(picture=made_picture(20, 40), map=above, geometry=padded)
    assert "lies in the padding around the picture" in sentence(answer)
    assert "cannot be told by place" in sentence(made_effects())
    assert sentence(made_explanation(0)) == "There are no concepts for painted bunting, and so no map."


def test_facts_drop_what_is_empty_and_flatten_what_is_nested() -> None:
    facts = listing([("a", None), ("b", 0), ("c", [7, 7.5]), ("d", {"k": True}), ("e\x1b", "")])
    assert facts == [("b", "0"), ("c", "7, 7.5"), ("d", "k: yes")]
