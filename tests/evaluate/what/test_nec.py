"""Accuracy at a number of effective concepts: heads made by hand, planted supports, and the random control."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.evaluate.what.elastic_net import elastic_net_path
from seewhy.evaluate.what.heads import LinearHead, refit
from seewhy.evaluate.what.nec import (
    ANEC,
    NECAccuracy,
    against_random,
    nec_table,
    random_directions,
    share_right,
)


def plain(weights: np.ndarray) -> LinearHead:
    k, m = weights.shape
    return LinearHead(weights, np.zeros(k), np.zeros(m), np.ones(m))


def concepts(n: int, *, k: int = 4, seed: int = 0, flip: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Class c has concepts 2c and 2c + 1 and no other, each entry flipped at times: chat = c, with label noise."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, k, n)
    present = np.repeat(np.eye(k, dtype=bool), 2, axis=1)[labels]
    return (present ^ (generator.random(present.shape) < flip)).astype(float), labels


def test_a_hand_made_head_is_right_where_its_largest_weights_are() -> None:
    head = plain(np.array([[3.0, 0, 0.1], [0, 2, 0], [0, 0, 1]]))
    codes, labels = np.eye(3), np.arange(3)
    assert NECAccuracy(4 / 3)(head, codes, labels).per_item.tolist() == [1, 1, 1]
    assert NECAccuracy(1)(head, codes, labels).extras["reached"] == 1
    two = NECAccuracy(2 / 3)(head, codes, labels)
    assert two.per_item.tolist() == [1, 1, pytest.approx(1 / 3)]
    assert (two.extras["before"], two.extras["reached"]) == (4 / 3, 2 / 3)
    assert NECAccuracy(1 / 3)(head, codes, labels).per_item[0] == 1


@pytest.mark.parametrize("metric", [NECAccuracy(1), ANEC((1, 2))])
def test_true_codes_are_above_noisy_ones_by_their_level_and_these_above_the_inverse(metric) -> None:
    codes, labels = concepts(400, flip=0.0)
    head = plain(np.kron(np.eye(4), [2.0, 1.0]))
    noise = np.random.default_rng(1).normal(size=codes.shape)
    made = [codes + level * noise for level in (0, 0.5, 1, 2, 4)] + [noise, -codes]
    means = [metric(head, one, labels).mean for one in made]
    assert means[0] == 1 and means[-1] == 0 and means[-2] == pytest.approx(0.25, abs=0.07)
    assert all(better > worse for better, worse in zip(means, means[1:], strict=False))


def test_tied_classes_share_the_hit_so_that_an_empty_head_is_chance() -> None:
    logits = np.array([[0.0, 0, 0, 0], [1, 1, 0, 0], [2, 1, 1, 0], [1, 1, 0, 0]])
    assert share_right(logits, np.array([3, 1, 0, 2])).tolist() == [0.25, 0.5, 1, 0]
    assert share_right(np.array([[0.1 + 0.2, 0.3], [0.3 + 1e-9, 0.3]]), np.array([1, 1])).tolist() == [0.5, 0]
    codes, labels = concepts(50)
    assert NECAccuracy(1)(plain(np.zeros((4, 8))), codes, labels).mean == pytest.approx(0.25)


def test_the_first_head_of_the_path_that_is_dense_enough_is_cut() -> None:
    train, test = concepts(300), concepts(100, seed=1)
    path = elastic_net_path(*train, until=3)
    found = NECAccuracy(2)(path, *test)
    source = next(one for one in path if one.head.nec >= 2)
    assert found.extras["lam"] == source.lam and found.extras["converged"]
    assert found.extras["before"] == source.head.nec >= found.extras["reached"] == 2
    expected = source.head.truncated(2).logits(test[0]).argmax(1) == test[1]
    assert found.per_item.tolist() == expected.tolist()


def test_a_path_that_never_gets_there_gives_its_densest_head_and_says_what_it_reached() -> None:
    train, test = concepts(300), concepts(50, seed=1)
    path = elastic_net_path(*train, until=1)
    found = NECAccuracy(8)(path, *test)
    assert found.extras["reached"] == path[-1].head.nec < 8 and found.n_undefined == 0


def test_refit_recovers_what_truncation_of_a_dense_head_loses() -> None:
    """Eleven copies share the weight of each true concept, so each alone is too small beside the bias."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 400)
    signal = (labels * 2 - 1) + 0.4 * generator.normal(size=400)
    codes = signal[:, None] + 0.01 * generator.normal(size=(400, 11)) + 2
    dense = refit(LinearHead.from_raw(np.ones((2, 11)), np.zeros(2), codes), codes, labels).head
    shifted = LinearHead(dense.weights, np.array([0.0, 4.0]), dense.mean, dense.scale)
    train, test = (codes[:200], labels[:200]), (codes[200:], labels[200:])
    cut, again = (NECAccuracy(1, refit)(shifted, *test, train=train) for refit in (False, True))
    assert cut.mean < 0.75 and again.mean > 0.97
    assert again.extras["refit_converged"] and again.extras["reached"] == 1


def test_anec_is_the_mean_over_levels_of_every_picture_and_leaves_out_levels_that_do_not_exist() -> None:
    train, test = concepts(200), concepts(60, seed=1)
    path = elastic_net_path(*train, until=8, lowest=0.02)
    found = ANEC((1, 2, 5, 10, 30))(path, *test)
    rows = [NECAccuracy(level)(path, *test).per_item for level in (1, 2, 5)]
    np.testing.assert_allclose(found.per_item, np.mean(rows, axis=0))
    assert found.extras["used"] == [1, 2, 5] and len(found.extras["at"]) == 3
    assert NECAccuracy(10)(path, *test).n_undefined == 60
    assert np.isnan(ANEC((10, 30))(path, *test).per_item).all()


def test_the_table_holds_what_the_metrics_say() -> None:
    train, test = concepts(200, flip=0.2), concepts(80, seed=1, flip=0.2)
    path = elastic_net_path(*train, until=4)
    table = nec_table(path, train, test, levels=(1, 4))
    for refitted, rows, mean in (
        (False, table.truncated, table.anec),
        (True, table.refitted, table.anec_refitted),
    ):
        for level, row in zip((1, 4), rows, strict=True):
            alone = NECAccuracy(level, refitted)(path, *test, train=train)
            assert (row.per_item == alone.per_item).all() and row.extras == alone.extras
        assert (mean.per_item == ANEC((1, 4), refitted)(path, *test, train=train).per_item).all()
    assert table.converged
    rushed = elastic_net_path(*train, until=4, passes=1)
    assert not nec_table(rushed, train, test, levels=(1, 4)).converged


def test_a_refit_short_of_its_optimum_makes_the_table_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = concepts(60), concepts(20, seed=1)
    path = elastic_net_path(*train, until=1)
    monkeypatch.setattr("seewhy.evaluate.what.heads.GRADIENT", 0.0)
    table = nec_table(path, train, test, levels=(1,))
    assert not table.converged and table.refitted[0].extras["refit_converged"] is False


def test_true_concepts_are_worth_more_than_random_directions_and_these_more_than_noise() -> None:
    """The features are a rotation of the concepts: a dense head cannot tell, a head of one or two concepts can."""
    rotation = np.linalg.qr(np.random.default_rng(7).normal(size=(16, 16)))[0]
    train, test = concepts(300, k=8), concepts(200, k=8, seed=1)
    features = (train[0] @ rotation, test[0] @ rotation)
    directions = against_random(train, test, features=features, levels=(1, 2), draws=2)
    noise = against_random(train, test, levels=(1, 2), draws=2)
    assert directions.gap.mean > 0.08 and noise.gap.mean > directions.gap.mean + 0.3
    assert np.mean(noise.gap.extras["random"]) == pytest.approx(1 / 8, abs=0.06)
    dense = against_random(train, test, features=features, levels=(16,), draws=2, lowest=0.01)
    assert abs(dense.gap.mean) < 0.06
    np.testing.assert_allclose(
        directions.gap.per_item,
        directions.own.anec.per_item - np.mean([one.anec.per_item for one in directions.control], axis=0),
    )


def test_concepts_that_are_random_themselves_have_no_gap() -> None:
    generator = np.random.default_rng(2)
    (first, labels), (second, unseen) = concepts(300), concepts(300, seed=1)
    codes = random_directions((first, second), 8, generator)
    found = against_random(
        (codes[0], labels), (codes[1], unseen), features=(first, second), levels=(1, 2), draws=4
    )
    spread = np.std([one.anec.mean for one in found.control], ddof=1)
    assert abs(found.gap.mean) < 3 * spread * np.sqrt(1 + 1 / 4)


def test_a_seed_decides_the_control_and_its_draws_differ() -> None:
    train, test = concepts(80), concepts(40, seed=1)
    first, same = (against_random(train, test, levels=(1,), draws=2, seed=5) for _ in range(2))
    assert (first.gap.per_item == same.gap.per_item).all()
    one, two = (draw.anec_refitted.per_item for draw in first.control)
    assert (one != two).any()


def test_a_picture_scores_the_same_alone_and_one_that_is_not_finite_is_undefined() -> None:
    train, (codes, labels) = concepts(200), concepts(10, seed=1)
    codes[3, 0], codes[6, 7] = np.nan, np.inf
    for metric in (NECAccuracy(2, True), ANEC((1, 2))):
        path = elastic_net_path(*train, until=2)
        whole = metric(path, codes, labels, train=train).per_item
        assert np.flatnonzero(np.isnan(whole)).tolist() == [3, 6]
        alone = [
            metric(path, codes[i : i + 1], labels[i : i + 1], train=train).per_item[0] for i in range(10)
        ]
        np.testing.assert_array_equal(whole, alone)
    assert len(NECAccuracy(2)(path, codes[:0], labels[:0])) == 0


def test_what_does_not_fit_is_refused() -> None:
    codes, labels = concepts(20)
    head = plain(np.ones((4, 8)))
    with pytest.raises(InputError, match="refit was asked for without training pictures"):
        NECAccuracy(2, refit=True)(head, codes, labels)
    with pytest.raises(InputError, match=r"codes have shape \(20, 7\).\n.*8 concepts"):
        NECAccuracy(2)(head, codes[:, :7], labels)
    with pytest.raises(InputError, match="A label is 4, and the head has 4 classes"):
        NECAccuracy(2)(head, codes, labels.clip(1) + 1)
    with pytest.raises(InputError, match="asked for is 0.3"):
        NECAccuracy(0.3)(head, codes, labels)
    with pytest.raises(InputError, match="no heads.\n.*\n.*elastic_net_path"):
        NECAccuracy(2)((), codes, labels)
    with pytest.raises(InputError, match=r"levels are \(\)"):
        ANEC(())
    with pytest.raises(InputError, match="draws is 0"):
        against_random((codes, labels), (codes, labels), draws=0)
    with pytest.raises(InputError, match=r"shapes \(2, 3\) and \(2, 4\)"):
        random_directions((np.ones((2, 3)), np.ones((2, 4))), 2, np.random.default_rng(0))
