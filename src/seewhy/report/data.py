"""Answers as JSON text, the same in .json files and inside pages."""

from __future__ import annotations

import json
from typing import Any

from seewhy.errors import InputError, message
from seewhy.explanation.answer import Answer
from seewhy.explanation.answers import Answers
from seewhy.explanation.explanation import Explanation

DATA_CLASS = "seewhy-answer"
"""Class of the script blocks of a page that hold `to_dict`."""


def json_bytes(answer: Answer | Answers[Any], *, top_k: int | None = None) -> bytes:
    """`to_dict` as UTF-8 JSON, indented by one space; `top_k` keeps that many concepts of each explanation."""
    return (dumps(to_dict(answer, top_k=top_k), indent=1) + "\n").encode()


def to_dict(answer: Answer | Answers[Any], *, top_k: int | None = None) -> dict[str, Any]:
    """`answer.to_dict`, where `top_k` may be given for any answer."""
    if isinstance(answer, Answers):
        return {**Answers(()).to_dict(), "answers": [to_dict(one, top_k=top_k) for one in answer]}
    return answer.to_dict(top_k=top_k) if isinstance(answer, Explanation) else answer.to_dict()


def dumps(data: Any, indent: int | None = None) -> str:
    """Strict JSON: NaN and infinity are an InputError, because other readers refuse them."""
    try:
        return json.dumps(data, allow_nan=False, indent=indent)
    except ValueError as error:
        raise InputError(
            message(
                "The answer holds NaN or infinity.",
                "Saved numbers are finite.",
                "Check the model's weights and its input for NaN.",
            )
        ) from error
