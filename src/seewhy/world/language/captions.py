"""Captions of a scene at five levels of detail, each with the facts that it mentions.

Level 0 counts, 1 names one thing, 2 lists what there is by colour and shape, 3 adds textures, all sizes and the
background, 4 tells counts, a relation and the parts of creatures. What is left out is drawn by hash, and `facts` says
exactly what is in. Ours; that a test of captions must know what they leave out is from TEVI.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from seewhy.errors import InputError, message
from seewhy.world.checks import check_whole
from seewhy.world.grammar import SLOTS
from seewhy.world.hashing import Draws
from seewhy.world.language.facts import Fact
from seewhy.world.language.plan import Mention, Plan, facts_of, write
from seewhy.world.language.words import NUMBERS, TOKEN_LIMIT
from seewhy.world.relations import RELATIONS, related
from seewhy.world.scene import Item, Scene, Thing

LEVELS = 5
TEMPLATES = 6

INVERSE = {"left of": "right of", "above": "below", "inside": "around", "larger": "smaller"}
"""Relations that read otherwise from the other side."""

# How often each optional detail is mentioned.
_KEPT = {0: 0.8, 1: 1.0, 2: 0.8, 3: 0.9, 4: 0.75}


@dataclass(frozen=True)
class Caption:
    """A sentence about a scene.

    Attributes
    ----------
    text
        Lower case, words of `VOCABULARY` only, at most 38 tokens with the marks of start and end.
    facts
        What it says and nothing else, as `seewhy.world.language.facts` describes.
    level, template
        How detailed it is (0 to 4), and which of the six wordings.
    """

    text: str
    facts: tuple[Fact, ...]
    level: int
    template: int


def caption(scene: Scene, level: int, template: int | None = None, *, draw: int = 0) -> Caption:
    """A true caption of the scene.

    Parameters
    ----------
    scene
        With at most twelve objects and creatures.
    level
        0 (coarse) to 4 (detailed).
    template
        Which of six wordings, 0 to 5; drawn by hash if not given.
    draw
        Which of many captions of that level: other things and details are mentioned, in another order.

    Raises
    ------
    InputError
        If an argument is out of range, or the scene has more things than captions count.

    Examples
    --------
    >>> from seewhy.world.sampling import sample_scene
    >>> caption(sample_scene(0, 2), 0, template=1).text
    'a scene with two objects'
    """
    return spoken(plan_of(scene, level, template, draw=draw))


def captions(scene: Scene, *, draw: int = 0) -> tuple[Caption, ...]:
    """One caption of each level, 0 to 4."""
    return tuple(caption(scene, level, draw=draw) for level in range(LEVELS))


def spoken(plan: Plan) -> Caption:
    """The caption that says the plan."""
    return Caption(write(plan), facts_of(plan), plan.level, plan.template)


def plan_of(
    scene: Scene,
    level: int,
    template: int | None = None,
    *,
    draw: int = 0,
    relations: tuple[str, ...] = tuple(RELATIONS),
    all_kept: bool = False,
) -> Plan:
    """What a caption of that level says; with `all_kept` nothing is left out but what exceeds the token limit.

    `relations` are those that level 4 may tell.
    """
    check_whole("caption level", level, 0, LEVELS - 1)
    check_whole("draw", draw, 0, 2**31)
    if template is not None:
        check_whole("caption template", template, 0, TEMPLATES - 1)
    if len(scene.items) >= len(NUMBERS):
        raise InputError(
            message(
                f"The scene has {len(scene.items)} objects and creatures.",
                f"Captions count up to {len(NUMBERS) - 1}.",
                "Remove some of them first.",
            )
        )
    chance = _Chance(Draws(scene.seed, scene.index), level, draw, 1.0 if all_kept else _KEPT[level])
    chosen = chance.below("template", TEMPLATES) if template is None else template
    bare = Plan(level, chosen)
    if level == 0 or not scene.items:
        where = scene.background.kind if level >= 3 and chance.keeps("background") else None
        return replace(bare, counts=_counts(scene, chance), background=where)
    items = sorted(scene.items, key=lambda item: chance.uniform("order", item.id))
    if level == 1:
        return replace(bare, mentions=(_mention(items[0]),))
    if level < 4:
        return _list_plan(scene, bare, items, chance)
    return _story_plan(scene, bare, items, chance, relations)


@dataclass(frozen=True)
class _Chance:
    """The draws of one caption."""

    draws: Draws
    level: int
    draw: int
    kept: float

    def uniform(self, name: str, at: int = 0) -> float:
        return self.draws.uniform(f"caption.{self.level}.{name}", (self.draw << 32) + at)

    def below(self, name: str, n: int) -> int:
        return self.draws.below(f"caption.{self.level}.{name}", n, self.draw << 32)

    def keeps(self, name: str, at: int = 0) -> bool:
        return self.uniform(f"keep.{name}", at) < self.kept


def _counts(scene: Scene, chance: _Chance) -> tuple[tuple[str, int], ...]:
    """How many there are: all together, or objects and creatures each for itself."""
    if not scene.items or chance.uniform("things") < 0.3:
        return (("things", len(scene.items)),)
    both = (("objects", len(scene.objects)), ("creatures", len(scene.creatures)))
    some = tuple(pair for pair in both if pair[1])
    # That there are none is worth a word less often than that there are some.
    said = tuple(pair for pair in both if chance.keeps(pair[0]) == (pair[1] > 0))
    return said if any(n for _, n in said) else some


def _list_plan(scene: Scene, bare: Plan, items: list[Item], chance: _Chance) -> Plan:
    """Levels 2 and 3: the things one after the other."""
    result = replace(bare, mentions=(_mention(items[0]),))
    if bare.level == 3 and chance.keeps("background"):
        result = replace(result, background=scene.background.kind)
    details = ("size", "texture") if bare.level == 3 else ("size",)
    for at, item in enumerate(items):
        if at:
            longer = replace(result, mentions=(*result.mentions, _mention(item)))
            if not chance.keeps("item", item.id) or not _fits(longer):
                continue
            result = longer
        if isinstance(item, Thing):
            result = _with_details(result, len(result.mentions) - 1, item, details, chance)
    return result


def _story_plan(
    scene: Scene, bare: Plan, items: list[Item], chance: _Chance, relations: tuple[str, ...]
) -> Plan:
    """Level 4: counts and background, two objects and how they stand, creatures with parts, the rest."""
    result = replace(
        bare,
        counts=_counts(scene, chance) if chance.keeps("counts") else (),
        background=scene.background.kind if chance.keeps("background") else None,
    )
    relation, pair = _relation(scene, chance, relations)
    unsaid = {"same colour": "colour", "same shape": "shape"}.get(relation or "")
    if relation:
        result = replace(
            result, relation=relation, mentions=tuple(_mention(thing, without=unsaid) for thing in pair)
        )
    pair_details = ("texture",) if relation in ("larger", "smaller") else ("size", "texture")
    taken = {thing.id for thing in pair}
    # Creatures first: their parts are said at this level alone.
    rest = sorted((item for item in items if item.id not in taken), key=lambda item: isinstance(item, Thing))
    for item in rest:
        longer = replace(result, mentions=(*result.mentions, _mention(item)))
        if result.mentions and not (chance.keeps("item", item.id) and _fits(longer)):
            continue
        details = ("size", "texture") if isinstance(item, Thing) else SLOTS
        result = _with_details(longer, len(longer.mentions) - 1, item, details, chance)
    for at, thing in enumerate(pair):
        result = _with_details(result, at, thing, pair_details, chance)
    return result


def _relation(
    scene: Scene, chance: _Chance, relations: tuple[str, ...]
) -> tuple[str | None, tuple[Thing, ...]]:
    """A relation that holds, as it will be said, and the two objects in the order in which they are said."""
    if not chance.keeps("relation"):
        return None, ()
    # The kind first, so that rare relations are told as often as the scene allows.
    for name in sorted(relations, key=lambda name: chance.uniform(f"relation.{name}")):
        pairs = related(scene, name)
        if pairs:
            one, other = pairs[chance.below("pair", len(pairs))]
            turned = name in INVERSE and chance.uniform("inverse") < 0.5
            return (INVERSE[name], (other, one)) if turned else (name, (one, other))
    return None, ()


def _mention(item: Item, without: str | None = None) -> Mention:
    """The item by colour and shape, or just as a creature."""
    if not isinstance(item, Thing):
        return Mention("creature")
    said = (("colour", item.colour), ("shape", item.shape))
    return Mention("object", tuple(pair for pair in said if pair[0] != without))


def _with_details(plan: Plan, at: int, item: Item, names: tuple[str, ...], chance: _Chance) -> Plan:
    """Add what chance keeps of the item's other attributes or parts to mention `at`, as long as the text fits."""
    for name in names:
        if not chance.keeps(name, item.id):
            continue
        value = getattr(item, name) if isinstance(item, Thing) else item.variant(name)
        longer = plan.with_said(at, name, value)
        if _fits(longer):
            plan = longer
    return plan


def _fits(plan: Plan) -> bool:
    # One space between words; counting them is much faster than `tokens`.
    return write(plan).count(" ") + 3 <= TOKEN_LIMIT
