"""Many answers: what a list of pictures gives back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

from seewhy.explanation.answer import Answer
from seewhy.registry import VIEWS

A = TypeVar("A", bound=Answer)


class Answers(Sequence[A], Generic[A]):
    """An immutable sequence of `Explanation` or `AttributionMap`, in the order of the pictures."""

    def __init__(self, answers: Iterable[A]) -> None:
        self._answers = tuple(answers)

    @overload
    def __getitem__(self, index: int) -> A: ...
    @overload
    def __getitem__(self, index: slice) -> Answers[A]: ...
    def __getitem__(self, index: int | slice) -> A | Answers[A]:
        if isinstance(index, slice):
            return Answers(self._answers[index])
        return self._answers[index]

    def __len__(self) -> int:
        return len(self._answers)

    def __iter__(self) -> Iterator[A]:
        return iter(self._answers)

    def figure(self, **options: Any) -> Any:
        """One matplotlib `Figure` of all; see `Answer.figure`."""
        return VIEWS["figure"](self, **options)

    def save(self, output: Any, **options: Any) -> Any:
        """One page or JSON file for all; see `Answer.save`."""
        return VIEWS["save"](self, output, **options)

    def to_text(self) -> str:
        """Their tables, one after the other."""
        return "\n\n".join(answer.to_text() for answer in self)

    def to_dict(self) -> dict[str, Any]:
        """`{"schema": "seewhy.answers/1", "answers": [...]}`."""
        return {"schema": "seewhy.answers/1", "answers": [answer.to_dict() for answer in self]}

    def _repr_html_(self) -> str:
        return str(VIEWS["notebook"](self))

    def __repr__(self) -> str:
        inner = ",\n  ".join(repr(answer) for answer in self._answers[:5])
        more = f",\n  ... {len(self) - 5} more" if len(self) > 5 else ""
        return f"Answers([\n  {inner}{more}\n])"
