"""What was saved can be read back, and what cannot says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seewhy.errors import BadArtefact, InputError
from seewhy.explanation import Answers, AttributionMap, Explanation
from seewhy.report.load import load_answer, load_answers
from seewhy.report.save import save
from tests.made_answers import made_attribution, made_effects, made_explanation


@pytest.mark.parametrize("suffix", ["json", "html"])
def test_an_explanation_comes_back_with_its_numbers(suffix: str, tmp_path: Path) -> None:
    answer = made_explanation(5, (3, 8))
    back = load_answer(save(answer, tmp_path / f"why.{suffix}"), image=answer.image)
    assert isinstance(back, Explanation)
    order = answer.concepts if suffix == "json" else answer.top(None)
    assert [c.contribution for c in back.concepts] == [c.contribution for c in order]
    assert back.target == answer.target and back.totals.logit == answer.totals.logit
    assert back.meta == answer.meta and back.geometry == answer.geometry
    # Maps are half precision: about three digits.
    np.testing.assert_allclose(back.where, answer.where, atol=2e-3 * np.abs(answer.where).max())


@pytest.mark.parametrize("suffix", ["json", "html"])
def test_a_map_comes_back_and_saves_as_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    path = save(made_attribution((5, 2), gap=0.25), tmp_path / f"why.{suffix}")
    back = load_answer(path)
    assert isinstance(back, AttributionMap) and back.gap == 0.25
    np.testing.assert_allclose(back.map, made_attribution((5, 2)).map, atol=1e-3)


@pytest.mark.parametrize("suffix", ["json", "html"])
def test_several_answers_come_back_in_order(suffix: str, tmp_path: Path) -> None:
    answers = Answers([made_attribution(), made_explanation(2), made_effects()])
    path = save(answers, tmp_path / f"why.{suffix}")
    assert [type(answer) for answer in load_answers(path)] == [type(answer) for answer in answers]
    with pytest.raises(InputError, match=r"(?s)holds 3 answers.*load_answers"):
        load_answer(path)


def test_hostile_names_survive_the_page(tmp_path: Path) -> None:
    names = ["</script><img src=x onerror=alert(1)>", "<!--", "a\u2028b", "]]>&amp;"]
    answer = made_explanation(4, names=names)
    back = load_answer(save(answer, tmp_path / "why.html"))
    assert isinstance(back, Explanation) and {c.name for c in back.concepts} == set(names)


def test_a_page_that_kept_some_concepts_says_that_it_cannot_be_read_back(tmp_path: Path) -> None:
    with pytest.raises(BadArtefact, match=r"(?s)only the sum of 3 others.*without top_k"):
        load_answer(save(made_explanation(5), tmp_path / "why.html", top_k=2))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", '{"schema": "seewhy.explana', "breaks off or is malformed"),
        ("a.json", "[]", "holds no answer"),
        ("a.json", '{"schema": "seewhy.answers/1", "answers": 3}', "holds no answer"),
        ("a.json", '{"schema": "seewhy.attribution/9"}', "seewhy.attribution/1"),
        ("a.json", "\udcff", "not UTF-8"),
        ("a.html", "<p>another page</p>", "holds no answer"),
        ("a.html", '<script class="seewhy-answer">{', "breaks off"),
    ],
)
def test_damaged_files_are_told(name: str, content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadArtefact, match=words):
        load_answer(path)


def test_missing_files_and_other_suffixes_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_answer(tmp_path / "why.json")
    with pytest.raises(InputError, match=r"neither \.json nor \.html"):
        load_answer(tmp_path / "why.png")


def test_cut_off_copies_of_a_file_never_raise_anything_else(tmp_path: Path) -> None:
    for suffix in ("json", "html"):
        whole = save(made_explanation(1, (2, 2)), tmp_path / f"why.{suffix}").read_bytes()
        path = tmp_path / f"cut.{suffix}"
        last = whole.rindex(b"}", 0, whole.index(b"seewhy-view") if suffix == "html" else None)
        for end in [*range(0, last, last // 60), last]:
            path.write_bytes(whole[:end])
            with pytest.raises((BadArtefact, InputError)):
                load_answer(path)
