"""What language models write, made concepts."""

from __future__ import annotations

import pytest

from seewhy.vocabulary.sources.answers import pairs

CATS = [("cat", "whisker"), ("cat", "soft paw"), ("dog", "tail")]


@pytest.mark.parametrize(
    "answer",
    [
        '{"concepts": [{"class": "cat", "names": ["whisker", "Soft paw"]}, {"class": "dog", "names": ["a tail"]}]}',
        'Sure!\n```json\n[{"class": "cat", "names": ["whisker", "soft paw"]},\n{"class": "dog", "names": ["tail"]}]'
        "\n```\nDone.",
        '{"concepts": {"cat": ["whisker", "soft paw"], "dog": ["tail."]}}',
        '{"cat": ["whisker", "soft paw"], "dog": "tail"}',
        '[{"class": "cat", "name": "whisker"}, {"class": "cat", "name": "soft paw"},'
        ' {"class": "dog", "name": "tail"}]',
    ],
)
def test_json_of_many_forms_keeps_the_classes(answer: str) -> None:
    assert pairs(answer) == CATS


def test_a_flat_list_has_no_classes() -> None:
    assert pairs('{"concepts": ["whisker", "whisker", "long tail"]}') == [("", "whisker"), ("", "long tail")]


def test_of_broken_json_the_whole_objects_stay() -> None:
    answer = '{"concepts": [{"class": "cat", "names": ["whisker"]}, {"class": "dog", "names": ["tail", "pa'
    assert pairs(answer) == [("cat", "whisker")]


def test_of_a_broken_list_the_whole_strings_stay() -> None:
    assert pairs('{"concepts": ["whisker", "soft paw", "ta') == [("", "whisker"), ("", "soft paw")]
    assert pairs('{"concepts": [{"class": "cat", "names": ["whisker", "ta') == [("", "whisker")]


def test_lines_are_freed_of_bullets_and_sentences() -> None:
    answer = "Here are some:\n1. Whisker\n2) soft paw,\n- a tail\n\nI hope that this list is of use to you.\n"
    assert pairs(answer) == [("", "whisker"), ("", "soft paw"), ("", "tail")]


@pytest.mark.parametrize("answer", ["", "```\n```", "{}", '{"concepts": []}', "[[[[", "...", '{"a": 3}'])
def test_answers_without_concepts_are_empty(answer: str) -> None:
    assert pairs(answer) == []
