"""A scene as data: every fact that decides its pixels, frozen, and the same after a trip through JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from seewhy.errors import InputError, message
from seewhy.world.checks import check_colour, check_name, check_number, check_whole
from seewhy.world.grammar import (
    BACKGROUNDS,
    BODIES,
    COATS,
    COLOURS,
    CORNERS,
    DECOYS,
    HUES,
    PARTS,
    RGB,
    SHAPES,
    SIZES,
    SLOTS,
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
        check_name("background kind", self.kind, BACKGROUNDS)
        check_name("background hue", self.hue, HUES)
        check_colour("rgb", self.rgb)
        check_colour("second", self.second)
        check_whole("turn", self.turn, 0, 63)
        check_number("period", self.period, 0.02, 1.0)


@dataclass(frozen=True)
class Lighting:
    """A brightness ramp: factor 1 + strength at the picture's end in `direction` (eighths of a turn, 0 = right)."""

    direction: int
    strength: float

    def __post_init__(self) -> None:
        check_whole("lighting direction", self.direction, 0, 7)
        check_number("lighting strength", self.strength, 0.0, 0.5)


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
        check_name("shape", self.shape, SHAPES)
        check_name("colour", self.colour, COLOURS)
        check_name("texture", self.texture, TEXTURES)
        check_name("size", self.size, SIZES)
        check_colour("rgb", self.rgb)
        check_colour("second", self.second)
        _check_place(self)


@dataclass(frozen=True)
class Part:
    """One part of a creature: which slot, which variant, its colour after jitter, and its length (1 is full)."""

    slot: str
    variant: str
    rgb: RGB
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_name("slot", self.slot, SLOTS)
        check_name(f"{self.slot} variant", self.variant, PARTS[self.slot])
        check_colour("rgb", self.rgb)
        check_number("part scale", self.scale, 0.25, 1.0)


@dataclass(frozen=True)
class Creature:
    """One creature: a body and at most one part in each slot; `radius` is that of the disk that holds them all."""

    id: int
    body: str
    coat: str
    rgb: RGB
    parts: tuple[Part, ...]
    x: float
    y: float
    radius: float
    turn: int
    flip: bool

    def __post_init__(self) -> None:
        check_name("body", self.body, BODIES)
        check_name("coat", self.coat, COATS)
        check_colour("rgb", self.rgb)
        _check_place(self)
        slots = [part.slot for part in self.parts]
        if slots != sorted(set(slots), key=SLOTS.index):
            raise InputError(
                message(
                    f"The creature's parts fill the slots {slots}.",
                    f"Each slot is filled at most once, in the order {', '.join(SLOTS)}.",
                    "Leave out what is missing and sort the rest.",
                )
            )

    def variant(self, slot: str) -> str:
        """The variant in a slot, or "none"."""
        check_name("slot", slot, SLOTS)
        return next((part.variant for part in self.parts if part.slot == slot), "none")

    @property
    def variants(self) -> dict[str, str]:
        """Every slot's variant, "none" where it is empty."""
        return {slot: self.variant(slot) for slot in SLOTS}


Item = Thing | Creature


@dataclass(frozen=True)
class Decoy:
    """What says nothing about a scene and yet may give a label away; unlit, and painted over everything.

    "tag": two by two squares in a corner, `side` of the picture's side wide. "border": a frame around the picture,
    `side` / 4 wide, in the first colour. "watermark": a glyph in a corner that lets half of the scene through.
    """

    corner: str = "top_left"
    side: float = 1 / 12
    rgb: RGB = (235, 40, 200)
    second: RGB = (25, 25, 25)
    kind: str = "tag"

    def __post_init__(self) -> None:
        check_name("decoy kind", self.kind, DECOYS)
        check_name("corner", self.corner, CORNERS)
        check_number("decoy side", self.side, 0.01, 0.5)
        check_colour("rgb", self.rgb)
        check_colour("second", self.second)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) as shares of the picture's side; of a border the whole picture."""
        if self.kind == "border":
            return 0.0, 0.0, 1.0, 1.0
        x0 = 0.0 if self.corner.endswith("left") else 1.0 - self.side
        y0 = 0.0 if self.corner.startswith("top") else 1.0 - self.side
        return x0, y0, x0 + self.side, y0 + self.side


@dataclass(frozen=True)
class Scene:
    """Everything that a picture of the world shows; later items are painted over earlier ones.

    `items` are objects and creatures; `noise` is the standard deviation of the pixel noise in 1/255.
    """

    seed: int
    index: int
    background: Background
    lighting: Lighting
    items: tuple[Item, ...]
    noise: float = 0.0
    decoy: Decoy | None = None

    def __post_init__(self) -> None:
        check_whole("seed", self.seed, 0, 2**63 - 1)
        check_whole("index", self.index, 0, 2**63 - 1)
        check_number("noise", self.noise, 0.0, 64.0)
        ids = [item.id for item in self.items]
        if len(set(ids)) != len(ids) or len(ids) > 254:
            raise InputError(
                message(
                    f"The scene has {len(ids)} items with the ids {ids}.",
                    "A scene has at most 254 objects and creatures and no id twice.",
                    "Give each item its own id.",
                )
            )

    @property
    def objects(self) -> tuple[Thing, ...]:
        """The objects, in painting order."""
        return tuple(item for item in self.items if isinstance(item, Thing))

    @property
    def creatures(self) -> tuple[Creature, ...]:
        """The creatures, in painting order."""
        return tuple(item for item in self.items if isinstance(item, Creature))

    def with_decoy(self, decoy: Decoy | None) -> Scene:
        """The same scene with that decoy, or with none; every other field, and so every other byte, stays."""
        return replace(self, decoy=decoy)

    def with_item(self, item: Item) -> Scene:
        """The same scene with the item of that id replaced."""
        if all(item.id != old.id for old in self.items):
            raise InputError(
                message(
                    f"The item's id is {item.id}.",
                    f"The scene's items have the ids {', '.join(str(old.id) for old in self.items)}.",
                    "Replace one of these.",
                )
            )
        return replace(self, items=tuple(item if old.id == item.id else old for old in self.items))

    def edit(self, op: str, *, force: bool = False, task: Any = None, **fields: Any) -> Scene:
        """The scene after one operation of `edits.OPERATIONS`, by name.

        Parameters
        ----------
        op
            "remove", "recolour", "move" and so on.
        force, task
            As in `edits.apply`.
        fields
            What the operation needs, such as item=3 and colour="blue".

        Raises
        ------
        InputError
            If there is no such operation, a field is wrong, or the edit breaks a rule and is not forced.
        """
        from seewhy.world.edits.edits import apply, from_dict

        return apply(self, from_dict({"op": op, **fields}), force=force, task=task)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe and complete; `Scene.from_dict` restores it exactly."""
        record = _plain(asdict(self))
        for item, plain in zip(self.items, record["items"], strict=True):
            plain["type"] = "object" if isinstance(item, Thing) else "creature"
        return {"world_version": WORLD_VERSION, **record}

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
        items = known.pop("items")
        decoy = known.pop("decoy")
        if not isinstance(items, list | tuple):
            raise InputError(
                message(f"The items are {items!r}.", "They are a list.", "Pass [] for an empty scene.")
            )
        return cls(
            background=_build(Background, known.pop("background")),
            lighting=_build(Lighting, known.pop("lighting")),
            items=tuple(_item(item) for item in items),
            decoy=None if decoy is None else _build(Decoy, decoy),
            **known,
        )


def _item(record: Any) -> Item:
    known = dict(_checked_mapping("item", record))
    kind = known.pop("type", None)
    check_name("item type", kind, ("object", "creature"))
    if kind == "object":
        return _build(Thing, known)
    known["parts"] = tuple(_build(Part, part) for part in known.get("parts", ()))
    return _build(Creature, known)


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


def _check_place(item: Any) -> None:
    check_whole(f"{type(item).__name__.lower()} id", item.id, 0, 2**31)
    check_number("x", item.x, 0.0, 1.0)
    check_number("y", item.y, 0.0, 1.0)
    check_number("radius", item.radius, 0.005, 0.5)
    check_whole("turn", item.turn, 0, 63)
