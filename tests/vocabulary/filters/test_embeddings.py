"""Filters that compare embeddings, against slow loops over pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seewhy.errors import InputError, UnknownName
from seewhy.vocabulary.filters.embeddings import duplicates, near_classes, weighted
from seewhy.vocabulary.vocabulary import Concept, Vocabulary


def clustered(seed: int, m: int = 60, d: int = 5) -> tuple[Vocabulary, np.ndarray]:
    """Concepts in random order of names whose embeddings form clusters, some rows equal, of any length."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(m // 4, d))
    rows = centres[generator.integers(0, len(centres), m)] + generator.normal(size=(m, d)) * 0.4
    rows[m // 2] = rows[m // 3] = rows[0]
    names = [f"n{i:03}" for i in generator.permutation(m)]
    return Vocabulary.from_list(names), rows * generator.uniform(0.5, 2, size=(m, 1))


def cosines(rows: np.ndarray) -> np.ndarray:
    return np.array([[a @ b / np.sqrt((a @ a) * (b @ b)) for b in rows] for a in rows])


def slow_greedy(names: tuple[str, ...], similarity: np.ndarray, threshold: float) -> list[str]:
    """Visit by falling sum (to nine digits), then name; keep whoever is not near to one that was kept."""
    sums = [round(sum(row), 9) for row in similarity.tolist()]
    kept: list[int] = []
    for at in sorted(range(len(names)), key=lambda at: (-sums[at], names[at])):
        if not any(similarity[at, other] >= threshold for other in kept):
            kept.append(at)
    return [names[at] for at in sorted(kept)]


def slow_lfcbm(names: tuple[str, ...], similarity: np.ndarray, threshold: float) -> list[str]:
    """LF-CBM's loop over pairs, retold: of a near pair that is still whole the one with the smaller sum goes."""
    sums = np.round(similarity.sum(axis=1), 9)
    gone: set[int] = set()
    for i in range(len(names)):
        for j in range(len(names)):
            if i != j and similarity[i, j] >= threshold and not {i, j} & gone:
                gone.add(i if sums[i] < sums[j] else j)
    return [name for at, name in enumerate(names) if at not in gone]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("block", [7, 1024])
def test_duplicates_agree_with_loops(seed: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seewhy.vocabulary.filters.embeddings._BLOCK", block)
    words, rows = clustered(seed)
    similarity = cosines(rows)
    for threshold in (0.7, 0.9, 0.97):
        found = list(duplicates(words, rows, threshold=threshold)[0].names)
        assert found == slow_greedy(words.names, similarity, threshold) and len(found) < len(words)
        found = list(duplicates(words, rows, threshold=threshold, compat="lfcbm")[0].names)
        assert found == slow_lfcbm(words.names, similarity, threshold) and len(found) < len(words)


def test_the_more_general_concept_stays_and_inherits_the_classes() -> None:
    rows = np.array([[1.0, 0, 0], [0.95, 0.3, 0], [0.9, 0.45, 0], [0, 0, 1]])
    words = Vocabulary.from_list([Concept("red bird beak", classes=("owl",)), "beak", "bill", "sky"])
    kept, dropped = duplicates(words, rows, threshold=0.93)
    assert kept.names == ("beak", "sky") and kept["beak"].classes == ("owl",)
    first = dropped.entries[0]
    assert first.concept == "red bird beak" and first.reason == "means the same as 'beak'"
    assert first.value == pytest.approx(0.95 / np.hypot(0.95, 0.3)) and first.threshold == 0.93


def test_in_a_chain_the_most_general_stays_and_what_is_far_from_it() -> None:
    """a is near b and b near c, c is far from a; LF-CBM's order of pairs lets b take c along before it goes."""
    angles = np.radians([20.0, 40.0, 0.0, -15.0, -14.0])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    words = Vocabulary.from_list(["b", "c", "a", "d", "e"])
    threshold = float(np.cos(np.radians(21)))
    assert duplicates(words, rows, threshold=threshold)[0].names == ("c", "a")
    assert duplicates(words, rows, threshold=threshold, compat="lfcbm")[0].names == ("a",)


def test_ties_are_broken_by_name_whatever_the_order() -> None:
    for names in (["b", "a", "z"], ["a", "b", "z"]):
        rows = np.array([[1.0, 0.1], [1.0, 0.1], [-1.0, 5.0]])
        assert duplicates(Vocabulary.from_list(names), rows)[0].names == ("a", "z")


def test_equal_embeddings_leave_one_and_one_concept_stays() -> None:
    same = Vocabulary.from_list([f"n{i}" for i in range(50)])
    assert duplicates(same, np.ones((50, 3)))[0].names == ("n0",)
    assert duplicates(same, np.ones((50, 3)), compat="lfcbm")[0].names == ("n0",)
    assert duplicates(Vocabulary.from_list(["red"]), np.ones((1, 3)))[0].names == ("red",)


def test_similarities_next_to_the_threshold_are_decided_in_double() -> None:
    cosine = 0.9
    rows = np.array([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]])
    words = Vocabulary.from_list(["a", "b"])
    exact = float(rows[0] @ (rows[1] / np.linalg.norm(rows[1])))
    assert len(duplicates(words, rows, threshold=np.nextafter(exact, 0))[0]) == 1
    assert len(duplicates(words, rows, threshold=exact + 1e-12)[0]) == 2


def test_near_classes_agree_with_loops_and_name_the_nearest() -> None:
    words, rows = clustered(3)
    theirs = np.random.default_rng(9).normal(size=(6, 5))
    every = cosines(np.concatenate([rows, theirs]))[: len(rows), len(rows) :]
    kept, dropped = near_classes(words, rows, list("ABCDEF"), theirs, threshold=0.8)
    assert list(kept.names) == [n for n, row in zip(words.names, every, strict=True) if max(row) < 0.8]
    assert len(dropped) > 3
    for drop in dropped:
        row = every[words.index(drop.concept)]
        assert (
            drop.value == pytest.approx(max(row))
            and drop.reason == f"means the class {'ABCDEF'[row.argmax()]!r}"
        )


def test_lfcbm_never_compares_a_class_with_the_concept_of_its_place() -> None:
    words, classes = Vocabulary.from_list(["cat", "dog", "sky"]), ["cat", "sky"]
    rows, theirs = np.eye(3), np.eye(3)[[0, 2]]
    assert near_classes(words, rows, classes, theirs)[0].names == ("dog",)
    assert near_classes(words, rows, classes, theirs, compat="lfcbm")[0].names == ("cat", "dog")


def test_weighted_embeddings_have_the_mean_of_cosines() -> None:
    one, other = np.random.default_rng(0).normal(size=(2, 7, 4))
    both = weighted((1, one), (3, other[:, :3]))
    np.testing.assert_allclose(cosines(both), (cosines(one) + 3 * cosines(other[:, :3])) / 4, atol=1e-12)


def test_what_does_not_fit_is_told() -> None:
    words = Vocabulary.from_list(["red", "sky"])
    with pytest.raises(InputError, match="embeddings has 3 rows.\n  It needs one for each of 2 concepts"):
        duplicates(words, np.ones((3, 2)))
    with pytest.raises(
        InputError,
        match="1 rows of embeddings are zero or hold values that are no numbers, the first is row 1",
    ):
        duplicates(words, [[1.0, 0.0], [0.0, 0.0]])
    with pytest.raises(InputError, match=r"class_embeddings has the shape \(1, 3\)"):
        near_classes(words, np.eye(2), ["cat"], np.ones((1, 3)))
    with pytest.raises(InputError, match="weight of 0 or less"):
        weighted((0, np.eye(2)))
    with pytest.raises(InputError, match="parts have 2, 3 rows"):
        weighted((1, np.eye(2)), (1, np.eye(3)))
    with pytest.raises(UnknownName, match="compat is 'lf'"):
        duplicates(words, np.eye(2), compat="lf")  # type: ignore[arg-type]


def test_everything_near_a_class_is_an_error() -> None:
    with pytest.raises(InputError, match="All 2 concepts would be dropped by the filter 'near class'"):
        near_classes(Vocabulary.from_list(["a", "b"]), np.ones((2, 3)), ["cat"], np.ones((1, 3)))


@pytest.mark.real
def test_a_published_list_loses_nothing_of_another_key_to_itself(data: Path) -> None:
    """Random directions in 64 dimensions are far apart: only planted copies go."""
    words = Vocabulary.load(data / "concepts" / "label_free_cbm" / "cub_filtered.txt")
    rows = np.random.default_rng(0).normal(size=(len(words), 64))
    rows[100:110] = rows[:10]
    kept, dropped = duplicates(words, rows)
    assert len(dropped) == 10 and len(kept) == len(words) - 10
