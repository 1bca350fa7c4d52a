"""A scene as data: every fact that decides its pixels, frozen, and the same after a trip through JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from seewhy.errors import InputError, did_you_mean, message
from seewhy.world.grammar import (
    BACKGROUNDS,
    COLOURS,
    CORNERS,
    HUES,
    RGB,
    SHAPES,
    SIZES,
    TEXTURES,
    WORLD_VERSION,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Background:
    """What lies behind everything: a pattern of two colours, turned, one period every `period` picture sides."""

    kind: str
    hue: str
    rgb: RGB
    second: RGB
    turn: int
    period: float

    def __post_init__(self) -> None:
        _check_name("background kind", self.kind, BACKGROUNDS)
        _check_name("background hue", self.hue, HUES)
        _check_colours(self)
        _check_whole("turn", self.turn, 0, 63)
        _check_number("period", self.period, 0.02, 1.0)


@dataclass(frozen=True)
class Lighting:
    """A brightness ramp: factor 1 + strength at the picture's end in `direction` (eighths of a turn, 0 = right)."""

    direction: int
    strength: float

    def __post_init__(self) -> None:
        _check_whole("lighting direction", self.direction, 0, 7)
        _check_number("lighting strength", self.strength, 0.0, 0.5)


@dataclass(frozen=True)
class Thing:
    """One object. Positions and radius are shares of the picture's side; `turn` counts sixty-fourths.

    `id` names the object: what is random in its texture follows the id, not the place in the painting order.
    """

    id: int
    shape: str
    colour: str
    texture: str
    size: str
    rgb: RGB
    second: RGB
    x: float
    y: float
    radius: float
    turn: int

    def __post_init__(self) -> None:
        _check_whole("object id", self.id, 0, 2**31)
        _check_name("shape", self.shape, SHAPES)
        _check_name("colour", self.colour, COLOURS)
        _check_name("texture", self.texture, TEXTURES)
        _check_name("size", self.size, SIZES)
        _check_colours(self)
        _check_number("x", self.x, 0.0, 1.0)
        _check_number("y", self.y, 0.0, 1.0)
        _check_number("radius", self.radius, 0.005, 0.5)
        _check_whole("turn", self.turn, 0, 63)


@dataclass(frozen=True)
class Decoy:
    """A tag in a corner, two by two squares in two colours, `side` of the picture's side wide, unlit."""

    corner: str = "top_left"
    side: float = 1 / 12
    rgb: RGB = (235, 40, 200)
    second: RGB = (25, 25, 25)

    def __post_init__(self) -> None:
        _check_name("corner", self.corner, CORNERS)
        _check_number("decoy side", self.side, 0.01, 0.5)
        _check_colours(self)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) as shares of the picture's side."""
        x0 = 0.0 if self.corner.endswith("left") else 1.0 - self.side
        y0 = 0.0 if self.corner.startswith("top") else 1.0 - self.side
        return x0, y0, x0 + self.side, y0 + self.side


@dataclass(frozen=True)
class Scene:
    """Everything that a picture of the world shows; later objects are painted over earlier ones.

    `noise` is the standard deviation of the pixel noise in 1/255.
    """

    seed: int
    index: int
    background: Background
    lighting: Lighting
    objects: tuple[Thing, ...]
    noise: float = 0.0
    decoy: Decoy | None = None

    def __post_init__(self) -> None:
        _check_whole("seed", self.seed, 0, 2**63 - 1)
        _check_whole("index", self.index, 0, 2**63 - 1)
        _check_number("noise", self.noise, 0.0, 64.0)
        ids = [thing.id for thing in self.objects]
        if len(set(ids)) != len(ids) or len(ids) > 254:
            raise InputError(
                message(
                    f"The scene has {len(ids)} objects with the ids {ids}.",
                    "A scene has at most 254 objects and no id twice.",
                    "Give each object its own id.",
                )
            )

    def with_decoy(self, decoy: Decoy | None) -> Scene:
        """The same scene with that decoy, or with none; every other field, and so every other byte, stays."""
        return replace(self, decoy=decoy)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe and complete; `Scene.from_dict` restores it exactly."""
        return {"world_version": WORLD_VERSION, **_plain(asdict(self))}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Scene:
        """Inverse of `to_dict`.

        Raises
        ------
        InputError
            If the record is of another world version, lacks or adds a field, or a value is out of range.
        """
        record = dict(_checked_mapping("scene", record))
        version = record.pop("world_version", None)
        if version != WORLD_VERSION:
            raise InputError(
                message(
                    f"The scene is of world version {version!r}.",
                    f"This is world version {WORLD_VERSION!r}; another version draws other bytes.",
                    "Sample the scene again, or use the version of Seewhy that wrote it.",
                )
            )
        known = _checked_fields(cls, record)
        objects = known.pop("objects")
        decoy = known.pop("decoy")
        if not isinstance(objects, list | tuple):
            raise InputError(
                message(f"The objects are {objects!r}.", "They are a list.", "Pass [] for an empty scene.")
            )
        return cls(
            background=_build(Background, known.pop("background")),
            lighting=_build(Lighting, known.pop("lighting")),
            objects=tuple(_build(Thing, thing) for thing in objects),
            decoy=None if decoy is None else _build(Decoy, decoy),
            **known,
        )


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON would make them."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _build(cls: type[T], record: Any) -> T:
    known = _checked_fields(cls, _checked_mapping(cls.__name__.lower(), record))
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in known.items()})


def _checked_mapping(what: str, record: Any) -> Mapping[str, Any]:
    if not isinstance(record, Mapping):
        raise InputError(
            message(
                f"The {what} is {record!r}.",
                "It is a mapping of field names to values.",
                "Pass what to_dict() returned.",
            )
        )
    return record


def _checked_fields(cls: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(cls)}
    wrong = sorted(names ^ set(record))
    if wrong:
        raise InputError(
            message(
                f"The {cls.__name__.lower()} has missing or unknown fields: {', '.join(map(str, wrong))}.",
                f"Its fields are {', '.join(field.name for field in fields(cls))}.",
                "Pass what to_dict() returned.",
            )
        )
    return dict(record)


def _check_name(what: str, name: Any, valid: Iterable[str]) -> None:
    names = list(valid)
    if name not in names:
        raise InputError(
            message(f"The {what} is {name!r}.", f"It is one of {', '.join(names)}.", _hint(name, names))
        )


def _hint(name: Any, names: list[str]) -> str:
    return did_you_mean(name, names) if isinstance(name, str) else "Pass its name."


def _check_number(what: str, value: Any, low: float, high: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not low <= value <= high:
        raise InputError(
            message(f"The {what} is {value!r}.", f"It is a number from {low} to {high}.", "Change it to fit.")
        )


def _check_whole(what: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(
            message(
                f"The {what} is {value!r}.",
                f"It is a whole number from {low} to {high}.",
                "Change it to fit.",
            )
        )


def _check_colours(part: Any) -> None:
    for what in ("rgb", "second"):
        colour = getattr(part, what)
        whole = isinstance(colour, tuple) and len(colour) == 3
        if not whole or not all(type(value) is int and 0 <= value <= 255 for value in colour):
            raise InputError(
                message(
                    f"The {what} colour is {colour!r}.",
                    "A colour is three whole numbers from 0 to 255: red, green, blue.",
                    "Change it to fit.",
                )
            )
