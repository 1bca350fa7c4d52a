"""Checks that a method's numbers are what they are said to be: one function each, a promise each."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.attribution.base import Method
from seewhy.backbones.base import Backbone
from seewhy.errors import SeewhyError
from seewhy.testing.asking import answers_of, leaves_in_order, maps_of
from seewhy.testing.networks import FirstClass, Network, Rescaled, planted_picture
from seewhy.testing.outcome import CheckFailed, CheckSkipped

# Relative to the largest value of a map. Another batch size adds up in another order, which costs 1e-6 per layer.
CLOSE = 1e-4


def compare(
    found: Float[np.ndarray, ...], wanted: Float[np.ndarray, ...], what: str, within: float = CLOSE
) -> None:
    """Fail unless two maps agree within a part of the largest value."""
    if found.shape != wanted.shape:
        raise CheckFailed(f"{what}: the grid is {found.shape[-2:]} in place of {wanted.shape[-2:]}.")
    largest = float(np.abs(wanted).max())
    error = float(np.abs(found - wanted).max())
    if error > within * largest:
        raise CheckFailed(f"{what}: a difference of {error:.3g} where the largest value is {largest:.3g}.")


def check_declaration(method: Method, network: Network) -> None:
    """A method is a frozen dataclass with a name, a paper and settings that JSON can hold."""
    del network
    kind = type(method)
    if not dataclasses.is_dataclass(method) or not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise CheckFailed(f"{kind.__name__} is not a frozen dataclass.")
    for said in ("name", "paper", "unit"):
        if not isinstance(getattr(method, said, None), str) or not getattr(method, said):
            raise CheckFailed(f"{kind.__name__} does not say its {said}.")
    unknown = set(method.needs) - {"gradient", "features", "attention"}
    if unknown:
        raise CheckFailed(f"needs names {', '.join(sorted(unknown))}, which is not known.")
    json.dumps(method.parameters())
    if kind(**{f.name: getattr(method, f.name) for f in dataclasses.fields(method)}) != method:
        raise CheckFailed("Two of the same settings are not equal.")


def check_answer(method: Method, network: Network) -> None:
    """Maps are finite, of a sensible grid, of the promised sign, and say what they are."""
    x = network.pictures(2)
    answers = answers_of(method, network.backbone, x, [1, 0])
    with network.backbone.undisturbed(), torch.no_grad():
        logits = network.backbone.logits(x)
    for i, answer in enumerate(answers):
        if answer.map.shape[0] > network.size[0] or answer.map.shape[1] > network.size[1]:
            raise CheckFailed(f"The grid {answer.map.shape} is finer than the picture {network.size}.")
        if not answer.signed and answer.map.min() < 0:
            raise CheckFailed(f"It is declared unsigned and holds {answer.map.min():.3g}.")
        wanted = float(logits[i, [1, 0][i]])
        if abs(answer.target.logit - wanted) > CLOSE * max(1.0, abs(wanted)):
            raise CheckFailed(f"The target's logit is {answer.target.logit:.6g}, the network's {wanted:.6g}.")
        if answer.meta.method.get("name") != method.name:
            raise CheckFailed(
                f"The result is signed {answer.meta.method.get('name')!r}, not {method.name!r}."
            )
        json.dumps(answer.to_dict(), allow_nan=False)


def check_batch_equals_loop(method: Method, network: Network) -> None:
    """A batch of three gives what three calls give."""
    x = network.pictures(3)
    together = maps_of(method, network.backbone, x, [1, 0, 1])
    for i in range(3):
        alone = maps_of(method, network.backbone, x[i : i + 1], [1, 0, 1][i])
        compare(together[i : i + 1], alone, f"Picture {i} in a batch against alone")


def check_batch_size_does_not_matter(method: Method, network: Network) -> None:
    """Chunks of one, of three and of the default size give the same."""
    x = network.pictures(2)
    wanted = maps_of(method, network.backbone, x)
    for batch_size in (1, 3):
        found = maps_of(method, network.backbone, x, batch_size=batch_size)
        compare(found, wanted, f"batch_size={batch_size} against the default")


def check_same_seed_same_bytes(method: Method, network: Network) -> None:
    """Two calls with one seed give the same bytes, also with another backbone around the same module."""
    x = network.pictures(2)
    first = maps_of(method, network.backbone, x, seed=3)
    for model in (network.backbone, Backbone(network.backbone.module)):
        if maps_of(method, model, x, seed=3).tobytes() != first.tobytes():
            raise CheckFailed("Two calls with seed=3 differ.")


def check_seed_matters_if_random(method: Method, network: Network) -> None:
    """Another seed changes a method that draws and is kept in its result; it changes no other method."""
    x = network.pictures(1)
    one, other = (answers_of(method, network.backbone, x, seed=seed)[0] for seed in (0, 1))
    same = one.map.tobytes() == other.map.tobytes()
    if method.random and same:
        raise CheckFailed("It is declared random, and seeds 0 and 1 give the same map.")
    if not method.random and not same:
        raise CheckFailed("It is not declared random, and seeds 0 and 1 give different maps.")
    if other.meta.seed != (1 if method.random else None):
        raise CheckFailed(f"The result says seed {other.meta.seed}.")


def check_scales_with_logit(method: Method, network: Network) -> None:
    """Explaining three times the logit gives three times the map: nothing is rescaled on the way."""
    if not method.class_sensitive:
        raise CheckSkipped("it is not about the score")
    x, method = network.pictures(2), explaining_logit(method)
    plain = maps_of(method, network.backbone, x)
    scaled = network.with_module(lambda module: Rescaled(network.backbone, module, 3.0))
    compare(maps_of(method, scaled.backbone, x), 3 * plain, "Three times the logit", 10 * CLOSE)


def check_ignores_constant(method: Method, network: Network) -> None:
    """A constant added to the logits does not change a map made from gradients or differences."""
    if "gradient" not in method.needs and method.kind != "effect":
        raise CheckSkipped("it uses no gradient and no difference of scores")
    x, method = network.pictures(2), explaining_logit(method)
    plain = maps_of(method, network.backbone, x)
    shifted = network.with_module(lambda module: Rescaled(network.backbone, module, 1.0, 2.0))
    compare(maps_of(method, shifted.backbone, x), plain, "Two added to every logit", 10 * CLOSE)


def explaining_logit(method: Method) -> Method:
    """The same method for the logit, if it lets the score be chosen."""
    fields = {field.name for field in dataclasses.fields(method)}
    return dataclasses.replace(method, score="logit") if "score" in fields else method  # type: ignore[call-arg]


def check_constant_model(method: Method, network: Network) -> None:
    """A network that says the same about every picture gets a map of zeros or a refusal that says why."""
    if not method.class_sensitive:
        raise CheckSkipped("it is not about the score")
    constant = network.with_module(lambda module: Rescaled(network.backbone, module, 0.0, 1.0))
    try:
        maps = maps_of(method, constant.backbone, network.pictures(2), 0)
    except SeewhyError as error:
        if "\n" not in str(error):
            raise CheckFailed(f"It refuses a constant network without advice: {error}") from error
        return
    if np.abs(maps).max() > 1e-6:
        raise CheckFailed(f"A constant network gets values up to {np.abs(maps).max():.3g}.")


def check_one_class(method: Method, network: Network) -> None:
    """A network with one logit is explained like any other."""
    x = network.pictures(2)
    single = network.with_module(lambda module: FirstClass(network.backbone, module))
    if not maps_of(method, single.backbone, x, 0).any():
        raise CheckFailed("With one class the map is zero.")


def check_odd_sizes(method: Method, network: Network) -> None:
    """Pictures that are not square, odd, or a single cell give a map or a refusal that says why."""
    for size in ((33, 47), (24, 8), (8, 8), (4, 4), (1, 1)):
        try:
            maps = maps_of(method, network.backbone, network.pictures(1, size=size), 0)
        except SeewhyError as error:
            if size == (33, 47):
                raise CheckFailed(f"Pictures of 33x47 are refused: {error}") from error
            continue
        except RuntimeError as error:
            if runs_at(network, size):
                raise CheckFailed(f"Pictures of {size[0]}x{size[1]} end in {error!r:.200}.") from error
            continue
        h, w = maps.shape[1:]
        if size == (33, 47) and h > w:
            raise CheckFailed(f"The grid of a wide picture is {h}x{w}: rows and columns changed places.")


def runs_at(network: Network, size: tuple[int, int]) -> bool:
    """Whether the network itself takes pictures of this size."""
    try:
        with network.backbone.undisturbed(), torch.no_grad():
            network.backbone.logits(network.pictures(1, size=size))
    except RuntimeError:
        return False
    return True


def check_double_precision(method: Method, network: Network) -> None:
    """The map in double precision is the one in single precision, up to rounding."""
    x = network.pictures(2)
    double = network.with_module(lambda module: module.double())
    found, wanted = maps_of(method, network.backbone, x), maps_of(method, double.backbone, x.double())
    # The slope of a ReLU changes where rounding crosses zero, and gradients of deep sums cancel.
    compare(found, wanted, "Single against double precision", 20 * CLOSE)


def check_cuda_equals_cpu(method: Method, network: Network) -> None:
    """The map of a CUDA device is the CPU's, up to rounding."""
    if not torch.cuda.is_available():
        raise CheckSkipped("there is no CUDA device")
    x = network.pictures(2)
    there = network.with_module(lambda module: module.cuda())
    found, wanted = maps_of(method, there.backbone, x), maps_of(method, network.backbone, x)
    compare(found, wanted, "CUDA against CPU", 100 * CLOSE)


def check_cost_is_counted(method: Method, network: Network) -> None:
    """The passes that a result states are those that the first and last layer saw, picture by picture."""
    module, x = network.backbone.module, network.pictures(2)
    leaves = leaves_in_order(module, x)
    answers_of(method, network.backbone, x)  # what is found out once is not counted
    seen = {"first": 0, "last": 0, "back": 0}

    def count(where: str, output: Tensor) -> None:
        seen[where] += len(output)
        if where == "last" and output.requires_grad:
            hooked: Any = output  # torch leaves register_hook untyped
            hooked.register_hook(lambda gradient: seen.update(back=seen["back"] + len(gradient)))

    handles = [
        leaf.register_forward_hook(lambda _, __, output, where=where: count(where, output))
        for leaf, where in ((leaves[0], "first"), (leaves[-1], "last"))
    ]
    try:
        answer = answers_of(method, network.backbone, x)[0]
    finally:
        for handle in handles:
            handle.remove()
    cost = {name: round(count * len(x), 6) for name, count in answer.meta.cost.items()}
    forwards, tails = cost.get("forwards", 0), cost.get("tail_forwards", 0)
    backwards = cost.get("backwards", 0) + cost.get("tail_backwards", 0)
    if seen["first"] != forwards:
        raise CheckFailed(f"It states {forwards:g} forward passes, and the first layer saw {seen['first']}.")
    # A pass that ends at a cut does not reach the last layer.
    if not tails <= seen["last"] <= forwards + tails:
        raise CheckFailed(f"It states {tails:g} passes of the tail, and the last layer saw {seen['last']}.")
    if seen["back"] != backwards:
        raise CheckFailed(f"It states {backwards:g} backward passes, and the last layer saw {seen['back']}.")


def check_translation(method: Method, network: Network) -> None:
    """A picture moved by whole cells moves the map, away from the borders."""
    if network.shift is None:
        raise CheckSkipped("the network does not move in step with its picture")
    if method.random:
        raise CheckSkipped("what it draws does not move with the picture")
    height, width = network.size
    down, right = network.shift
    pattern = network.pictures(1, size=(height // 4, width // 4)).abs()
    x = torch.zeros(2, *pattern.shape[1:2], height, width, dtype=pattern.dtype, device=pattern.device)
    top, left = height // 4, width // 4
    x[0, :, top : top + height // 4, left : left + width // 4] = pattern[0]
    x[1] = x[0].roll((down, right), (1, 2))
    still, moved = maps_of(method, network.backbone, x, 0)
    h, w = still.shape
    if down * h % height or right * w % width:
        raise CheckSkipped(f"a move by {down}x{right} pixels is not one by whole cells of its {h}x{w} grid")
    rows, columns = down * h // height, right * w // width
    wanted = np.roll(still, (rows, columns), (0, 1))
    inner = np.s_[rows + h // 12 : h - h // 12, columns + w // 12 : w - w // 12]
    compare(moved[inner], wanted[inner], f"A picture moved by {down}x{right} pixels", 10 * CLOSE)


def check_points_at_the_truth(method: Method, network: Network) -> None:
    """Where the network reads one colour, the largest value lies on that colour's square."""
    _need_planted(method, network)
    for seed, (corner, other) in enumerate((((8, 8), (32, 40)), ((24, 48), (8, 16)))):
        x = planted_picture(network.size, {0: corner, 1: other})
        for target, (top, left) in enumerate((corner, other)):
            found = maps_of(method, network.backbone, x, target, seed=seed)[0]
            row, column = np.unravel_index(int(found.argmax()), found.shape)
            y, x_at = (
                (row + 0.5) * network.size[0] / found.shape[0],
                (column + 0.5) * network.size[1] / found.shape[1],
            )
            reach = np.array(network.size) / found.shape / 2 + 4
            if abs(y - top - 4) > reach[0] or abs(x_at - left - 4) > reach[1]:
                raise CheckFailed(
                    f"For the colour at rows {top} to {top + 8} and columns {left} to {left + 8} the largest value "
                    f"lies at row {y:.0f}, column {x_at:.0f}."
                )


def check_depends_on_class(method: Method, network: Network) -> None:
    """Asked about another class, it gives another map, unless it is declared blind to the class."""
    x = (
        network.pictures(2)
        if not network.planted
        else planted_picture(network.size, {0: (8, 8), 1: (32, 40)})
    )
    one, other = (maps_of(method, network.backbone, x, target) for target in (0, 1))
    same = bool(np.abs(one - other).max() <= 1e-6 * np.abs(one).max())
    if same and method.class_sensitive:
        raise CheckFailed("Classes 0 and 1 get the same map, and it is not declared blind to the class.")
    if not same and not method.class_sensitive:
        raise CheckFailed("It is declared blind to the class, and classes 0 and 1 get different maps.")


def _need_planted(method: Method, network: Network) -> None:
    if not network.planted:
        raise CheckSkipped("where the class lies is not known")
    if not method.class_sensitive:
        raise CheckSkipped("it is blind to the class")
