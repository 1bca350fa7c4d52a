"""What a region surely shows and what it might, by sets of words and a count of every place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seewhy.training.regions import CIRCLE, CROP, WHOLE, Limits, cells, counts, truths
from seewhy.training.said import CONCEPTS, GROUP, GROUPS, words_of
from seewhy.training.scenes import GRID, Scenes
from seewhy.world.grammar import SLOTS

KINDS = [(CIRCLE, True), (CROP, False), (WHOLE, True)]


def disks(n: int, seed: int = 0) -> np.ndarray:
    """A region in each of `n` pictures: disks of many sizes, some a single place."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:GRID, :GRID]
    y, x, radius = (
        rng.uniform(0, GRID, (n, 1, 1)),
        rng.uniform(0, GRID, (n, 1, 1)),
        rng.uniform(1, 13, (n, 1, 1)),
    )
    found: np.ndarray = np.hypot(rows - y, columns - x) <= radius
    found[~found.any((1, 2)), 3, 4] = True
    return found


def both(
    scenes: Scenes, regions: np.ndarray | None, limits: Limits, sizes: bool
) -> tuple[np.ndarray, np.ndarray]:
    t = scenes.things.shape[1]
    inside = counts(scenes.owner, scenes.part, regions, t)
    whole = counts(scenes.owner, scenes.part, None, t)
    return truths(scenes.things, scenes.seen, inside, whole, limits, sizes_show=sizes)


def slow(
    scenes: Scenes, at: int, region: np.ndarray, limits: Limits, sizes: bool
) -> tuple[list[set[str]], list[set[str]]]:
    """The rules of `truths` in words, place by place."""
    places = [(i, j) for i in range(GRID) for j in range(GRID)]
    here = [place for place in places if region[place]]
    owner, part = scenes.owner[at], scenes.part[at]
    surely, might = [], []
    for k, bits in enumerate(scenes.things[at]):
        mine, mine_here = [p for p in places if owner[p] == k], [p for p in here if owner[p] == k]
        of_region, of_thing = len(mine_here) / max(1, len(here)), len(mine_here) / max(1, len(mine))
        if k == 0:
            sure, perhaps = of_region >= limits.background[1], of_region >= limits.background[0]
        else:
            sure = of_region >= limits.of_region[1] or of_thing >= limits.of_thing[1]
            sure = sure and scenes.seen[at, k] >= 0.35
            perhaps = sure or of_region >= limits.of_region[0] or of_thing >= limits.of_thing[0]
        told: tuple[set[str], set[str]] = (set(), set())
        for word in words_of(int(bits)):
            told[0].add(word)
            told[1].add(word)
            if word.split()[-1] in SLOTS:
                code = 2 + SLOTS.index(word.split()[-1])
                n, n_here = (sum(part[p] == code for p in some) for some in (mine, mine_here))
                if not n or n_here / n < limits.part[1]:
                    told[0].discard(word)
                if n and n_here / n < limits.part[0]:
                    told[1].discard(word)
        if not sizes:
            told = (
                told[0] - set(GROUPS["size"]),
                told[1] | (set(GROUPS["size"]) if "object" in told[1] else set()),
            )
        surely.append(told[0] if sure else set())
        might.append(told[1] if perhaps else set())
    filled = 1 - sum(owner[p] == 0 for p in here) / max(1, len(here))
    surely.append({"nothing"} if filled <= limits.nothing[0] else set())
    might.append({"nothing"} if filled <= limits.nothing[1] else set())
    return surely, might


@pytest.mark.parametrize(("limits", "sizes"), KINDS, ids=["circle", "crop", "whole"])
def test_truths_are_those_of_a_count_of_every_place(drawn: Scenes, limits: Limits, sizes: bool) -> None:
    # Whatever the share that is seen of each thing: these few are all seen well.
    drawn = replace(drawn, seen=np.random.default_rng(1).random(drawn.seen.shape))
    regions = disks(len(drawn)) if limits is not WHOLE else np.ones((len(drawn), GRID, GRID), bool)
    surely, might = both(drawn, regions, limits, sizes)
    for at in range(len(drawn)):
        sure_words, might_words = slow(drawn, at, regions[at], limits, sizes)
        assert [set(words_of(int(bits))) for bits in surely[at]] == sure_words
        assert [set(words_of(int(bits))) for bits in might[at]] == might_words


@pytest.mark.parametrize(("limits", "sizes"), KINDS, ids=["circle", "crop", "whole"])
@pytest.mark.parametrize("seed", range(5))
def test_what_is_sure_might_be(drawn: Scenes, limits: Limits, sizes: bool, seed: int) -> None:
    surely, might = both(drawn, disks(len(drawn), seed), limits, sizes)
    assert not (surely & ~might).any() and surely.any()
    sure_cells, might_cells = cells(drawn.things, drawn.owner, drawn.part, 8)
    assert not (sure_cells & ~might_cells).any()


def test_a_whole_picture_surely_shows_every_thing_that_is_seen_well(drawn: Scenes) -> None:
    surely, might = both(drawn, None, WHOLE, True)
    well = (drawn.seen >= 0.9) & (drawn.things > 0)
    for at, k in zip(*np.nonzero(well), strict=True):
        words = [word for word in words_of(int(drawn.things[at, k])) if word.split()[-1] not in SLOTS]
        assert set(words) <= set(words_of(int(surely[at, k])))
    assert np.array_equal(might[:, :-1], drawn.things) and well.sum() > len(drawn)


def test_an_empty_disk_shows_the_background_and_nothing(drawn: Scenes) -> None:
    n = 0
    for at in range(len(drawn)):
        corner = np.zeros((len(drawn), GRID, GRID), bool)
        corner[at, 2:7, 2:7] = True
        if drawn.owner[at, 2:7, 2:7].any():
            continue
        n += 1
        for bits in (row[at] for row in both(drawn, corner, CIRCLE, True)):
            assert [words_of(int(one)) for one in bits if one] == [
                words_of(int(drawn.things[at, 0])),
                ("nothing",),
            ]
    assert n > 3


def test_a_region_of_one_thing_shows_it_and_says_that_the_others_are_not_there(drawn: Scenes) -> None:
    for at in range(len(drawn)):
        k = int(np.argmax(np.where(drawn.things[at] > 0, drawn.seen[at], 0)[1:])) + 1
        region = np.zeros((len(drawn), GRID, GRID), bool)
        region[at] = drawn.owner[at] == k
        surely, might = both(drawn, region, CIRCLE, True)
        words = {word for word in words_of(int(drawn.things[at, k])) if word.split()[-1] not in SLOTS}
        assert words <= set(words_of(int(surely[at, k])))
        assert not np.delete(might[at], k).any()


@pytest.mark.parametrize("grid", [8, 4, 32])
def test_cells_are_those_of_a_count_of_every_place(drawn: Scenes, grid: int) -> None:
    surely, might = cells(drawn.things[:6], drawn.owner[:6], drawn.part[:6], grid)
    step = GRID // grid
    for at in range(6):
        for cell in range(0, grid * grid, 1 if grid < 32 else 7):
            row, column = divmod(cell, grid)
            here = np.s_[row * step : (row + 1) * step, column * step : (column + 1) * step]
            expected = _slow_cell(
                drawn.things[at], drawn.owner[at][here].ravel(), drawn.part[at][here].ravel()
            )
            assert (set(words_of(int(surely[at, cell]))), set(words_of(int(might[at, cell])))) == expected


def _slow_cell(things: np.ndarray, owner: np.ndarray, part: np.ndarray) -> tuple[set[str], set[str]]:
    surely: set[str] = set()
    might: set[str] = set()
    places = list(zip(owner.tolist(), part.tolist(), strict=True))
    for k, bits in enumerate(things):
        share = sum(who == k for who, _ in places) / len(places)
        for word in words_of(int(bits)):
            slot = word.split()[-1]
            if slot in SLOTS:
                code = 2 + SLOTS.index(slot)
                of_part = sum(place == (k, code) for place in places) / len(places)
                sure, perhaps = of_part >= 0.25, of_part > 0
            else:
                sure, perhaps = share >= (15 / 16 if k == 0 else 0.5), share > 0
            surely |= {word} if sure else set()
            might |= {word} if perhaps else set()
    empty = sum(who == 0 for who, _ in places) / len(places)
    surely |= {"nothing"} if empty >= 15 / 16 else set()
    might |= {"nothing"} if empty > 0.5 else set()
    return surely, might | surely


def test_a_mark_that_is_no_thing_counts_for_no_thing(drawn: Scenes) -> None:
    owner = np.array(drawn.owner)
    owner[:, :, :] = 255
    t = drawn.things.shape[1]
    found = counts(owner, np.zeros_like(owner), None, t)
    surely, might = truths(drawn.things, drawn.seen, found, found, CIRCLE, sizes_show=True)
    assert found[:, -1, 0].tolist() == [GRID * GRID] * len(drawn)
    assert not surely.any() and not might.any() and len(CONCEPTS) == len(GROUP)
