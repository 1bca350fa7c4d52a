"""A few of the damaged files of `benchmarks/reliability_images.py`; the full number runs there."""

from __future__ import annotations

from benchmarks import reliability_images


def test_damaged_files_end_in_a_picture_or_input_error() -> None:
    made = list(reliability_images.mutants(400, seed=1))
    ends = [reliability_images._end_of(data) for _, data in made]
    wrong = [
        (name, end) for (name, _), end in zip(made, ends, strict=True) if end not in ("decoded", "InputError")
    ]
    assert not wrong
    assert 20 < ends.count("decoded") < 380  # both ends are reached


def test_mutants_are_the_same_for_the_same_seed() -> None:
    first = list(reliability_images.mutants(20, seed=3))
    assert first == list(reliability_images.mutants(20, seed=3))
    assert first != list(reliability_images.mutants(20, seed=4))


def test_every_seed_file_can_be_read() -> None:
    for name, data in reliability_images.seeds().items():
        assert reliability_images._end_of(data) == "decoded", name
