"""Methods that each break one promise, to see that the check for it can fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from seewhy.attribution.base import Method, Need, Question, Raw


@dataclass(frozen=True)
class Good(Method):
    """Gradient times input, cell by cell of 8 px; every faulty method is this with one change."""

    name: ClassVar[str] = "good"
    paper: ClassVar[str] = "none"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient"})
    change: ClassVar[Callable[[Tensor, Question], Tensor]] = staticmethod(lambda maps, question: maps)

    def attribute(self, question: Question) -> Raw:
        maps: list[Tensor] = []

        def work(start: int, stop: int) -> None:
            x, rows = question.x[start:stop], question.rows[start:stop]
            gradient, _ = question.input_gradient(x, rows)
            maps.append((gradient * x).sum(1))

        question.engine.run(len(question), work)
        return Raw(type(self).change(torch.cat(maps), question))


def changed(change: Callable[[Tensor, Question], Tensor], **declared: Any) -> Good:
    """`Good` with its maps changed and other declarations."""
    kind = dataclass(frozen=True)(type("Faulty", (Good,), {"change": staticmethod(change), **declared}))
    return kind()


def calling(call: Callable[..., Any]) -> Good:
    """`Good` with something around its call; `call(inner, model, *args, **options)`."""

    def __call__(self: Good, model: Any, *args: Any, **options: Any) -> Any:
        return call(lambda *a, **o: Good.__call__(self, *a, **o), model, *args, **options)

    return dataclass(frozen=True)(type("Faulty", (Good,), {"__call__": __call__}))()


def per_picture(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Question], Tensor]:
    return lambda maps, _: torch.stack([function(each) for each in maps])


def module_of(question: Question) -> torch.nn.Module:
    return question.backbone.module


def hooks_left(maps: Tensor, question: Question) -> Tensor:
    module_of(question).register_forward_hook(lambda *_: None)
    return maps


def gradients_cleared(maps: Tensor, question: Question) -> Tensor:
    module_of(question).zero_grad()
    return maps


def unfrozen(maps: Tensor, question: Question) -> Tensor:
    module_of(question).requires_grad_(True)
    return maps


def weights_nudged(maps: Tensor, question: Question) -> Tensor:
    next(module_of(question).parameters()).mul_(1.0)
    return maps


def numpy_drawn(maps: Tensor, _: Question) -> Tensor:
    np.random.rand()  # noqa: NPY002 (the fault)
    return maps


def attribute_left(maps: Tensor, question: Question) -> Tensor:
    module_of(question).seen = True
    return maps


def not_counted(maps: Tensor, question: Question) -> Tensor:
    question.backbone.logits(question.x)
    return maps


def drawn(maps: Tensor, question: Question) -> Tensor:
    return maps + torch.rand(maps.shape, generator=question.generator())


class Counter:
    """Differs from call to call."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, maps: Tensor, _: Question) -> Tensor:
        self.n += 1
        return maps * self.n


def last_target(inner: Any, model: Any, x: Any, target: Any, **options: Any) -> Any:
    return inner(model, x, min(target, 1) if isinstance(target, int) else target, **options)


def errors_swallowed(inner: Any, model: Any, x: Any, target: Any, **options: Any) -> Any:
    try:
        return inner(model, x, target, **options)
    except RuntimeError:
        return None


def hook_left_after_error(inner: Any, model: Any, x: Any, target: Any, **options: Any) -> Any:
    module = getattr(model, "module", model)
    handle = module.register_forward_hook(lambda *_: None)
    answers = inner(model, x, target, **options)
    handle.remove()
    return answers


def stop_ignored(inner: Any, model: Any, x: Any, target: Any, progress: Any = None, **options: Any) -> Any:
    try:
        return inner(model, x, target, progress=progress, **options)
    except KeyboardInterrupt:
        return inner(model, x, target, **options)


def other_under_no_grad(inner: Any, model: Any, x: Any, target: Any, **options: Any) -> Any:
    return inner(model, x if torch.is_grad_enabled() else 2 * x, target, **options)


def ramp(maps: Tensor, _: Question) -> Tensor:
    return maps * torch.linspace(0, 1, maps.shape[2])


def probability_minus_chance(maps: Tensor, question: Question) -> Tensor:
    return maps * (question.logits.softmax(1).gather(1, question.rows[:, None]) - 1)[:, :, None]


def squares_only(maps: Tensor, _: Question) -> Tensor:
    if maps.shape[1] % 8:
        raise RuntimeError("shape is not divisible by 8")
    return maps


FAULTS: list[tuple[str, Method]] = [
    ("declaration", changed(lambda maps, _: maps, paper="")),
    ("declaration", changed(lambda maps, _: maps, needs=frozenset({"luck"}))),
    ("answer", changed(lambda maps, _: maps, signed=False)),
    ("answer", changed(lambda maps, _: maps.repeat_interleave(2, 1))),
    ("batch_equals_loop", changed(lambda maps, _: maps / maps.abs().max())),
    ("batch_size_does_not_matter", changed(lambda maps, q: maps * q.engine.batch_size)),
    ("same_seed_same_bytes", changed(Counter())),
    ("seed_matters_if_random", changed(lambda maps, _: maps, random=True)),
    ("seed_matters_if_random", changed(drawn)),
    ("model_untouched", changed(hooks_left)),
    ("model_untouched", changed(gradients_cleared)),
    ("model_untouched", changed(unfrozen)),
    ("model_untouched", changed(weights_nudged)),
    ("model_untouched", changed(numpy_drawn)),
    ("model_untouched", changed(attribute_left)),
    ("untouched_after_wrong_target", calling(last_target)),
    ("untouched_after_error", calling(errors_swallowed)),
    ("untouched_after_error", calling(hook_left_after_error)),
    ("untouched_after_cancel", calling(stop_ignored)),
    ("works_without_gradients", calling(other_under_no_grad)),
    ("scales_with_logit", changed(per_picture(lambda each: each / each.abs().max()))),
    ("ignores_constant", changed(lambda maps, q: maps * q.plain_scores()[:, None, None])),
    ("constant_model", changed(lambda maps, _: maps + 1)),
    ("one_class", changed(probability_minus_chance)),
    ("odd_sizes", changed(lambda maps, _: maps.transpose(1, 2))),
    ("odd_sizes", changed(squares_only)),
    ("double_precision", changed(lambda maps, _: maps * (1 + (maps.dtype == torch.float64)))),
    ("cost_is_counted", changed(not_counted)),
    ("translation", changed(ramp)),
    ("points_at_the_truth", changed(lambda maps, _: -maps)),
    ("depends_on_class", changed(lambda maps, q: q.x.abs().sum(1))),
    ("depends_on_class", changed(lambda maps, _: maps, class_sensitive=False)),
]
"""The check that must fail, and a method that breaks its promise."""
