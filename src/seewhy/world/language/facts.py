"""What a caption says, as data, and whether it is true of a scene.

A fact is a tuple that JSON can hold, what it claims first:

- ("things", 4), ("objects", 3), ("creatures", 1): exactly so many; things are objects and creatures;
- ("background", "grass");
- ("object", 0), ("creature", 1): such a thing exists; the number is only a name within these facts, and two numbers
  are two different things;
- ("size", 0, "large"), and likewise texture, colour, shape: object 0 has it;
- ("beak", 1, "hooked"), ("tail", 1, "none"): creature 1 has that part, or none there;
- ("left of", 0, 2), and likewise the other relations: object 0 stands in it to object 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from seewhy.errors import InputError, message
from seewhy.world.checks import check_name
from seewhy.world.grammar import BACKGROUNDS, COLOURS, PARTS, SHAPES, SIZES, SLOTS, TEXTURES
from seewhy.world.relations import RELATIONS
from seewhy.world.scene import Creature, Item, Scene, Thing

Fact = tuple[str | int, ...]

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "size": tuple(SIZES),
    "texture": TEXTURES,
    "colour": tuple(COLOURS),
    "shape": SHAPES,
}
"""What can be said of an object, in the order in which it is said."""

_COUNTED: dict[str, type | tuple[type, ...]] = {
    "things": (Thing, Creature),
    "objects": Thing,
    "creatures": Creature,
}
_KINDS: dict[str, type] = {"object": Thing, "creature": Creature}


def holds(scene: Scene, facts: Sequence[Sequence[str | int]]) -> bool:
    """Whether all facts together are true of the scene.

    Facts may come back from JSON as lists.

    Raises
    ------
    InputError
        If a fact is none of the kinds above, or speaks of a thing that no fact introduces.
    """
    named = {fact[1]: _KINDS[str(fact[0])] for fact in map(tuple, facts) if fact and fact[0] in _KINDS}
    for fact in facts:
        _check_fact(fact, named)
    for fact in facts:
        if fact[0] in _COUNTED:
            kind = _COUNTED[str(fact[0])]
            if sum(isinstance(item, kind) for item in scene.items) != fact[1]:
                return False
        if fact[0] == "background" and scene.background.kind != fact[1]:
            return False
    candidates = {
        ref: [
            item
            for item in scene.items
            if isinstance(item, kind) and all(_has(item, fact) for fact in facts if _is_about(fact, ref))
        ]
        for ref, kind in named.items()
    }
    relations = [fact for fact in facts if fact[0] in RELATIONS]
    ends = {ref for fact in relations for ref in fact[1:]}
    # Ends of relations are tried one by one; for the others it only matters whether enough is left.
    return _assignable(sorted(ends, key=str), candidates, relations, {})


def said_concepts(facts: Sequence[Sequence[str | int]]) -> tuple[str, ...]:
    """The names of the atomic concepts that the facts say are there, each once, in the order said."""
    names: list[str] = []
    for fact in facts:
        if fact[0] == "creature":
            names.append("creature")
        elif fact[0] in SLOTS and fact[2] != "none":
            names.append(f"{fact[2]} {fact[0]}")
        elif fact[0] in ATTRIBUTES or fact[0] == "background":
            names.append(str(fact[-1]))
    return tuple(dict.fromkeys(names))


def _is_about(fact: Sequence[str | int], ref: str | int) -> bool:
    return (fact[0] in ATTRIBUTES or fact[0] in SLOTS) and fact[1] == ref


def _has(item: Item, fact: Sequence[str | int]) -> bool:
    if isinstance(item, Thing):
        return bool(getattr(item, str(fact[0])) == fact[2])
    return item.variant(str(fact[0])) == fact[2]


def _assignable(
    ends: Sequence[str | int],
    candidates: dict[str | int, list[Item]],
    relations: Sequence[Sequence[str | int]],
    chosen: dict[str | int, Item],
) -> bool:
    """Whether each name can be given an item of its own so that every relation holds."""
    if not ends:
        taken = {item.id for item in chosen.values()}
        free = {
            ref: [item.id for item in items if item.id not in taken]
            for ref, items in candidates.items()
            if ref not in chosen
        }
        owners: dict[int, str | int] = {}
        return all(_finds_room(ref, free, owners, set()) for ref in free)
    for item in candidates[ends[0]]:
        if any(item is taken for taken in chosen.values()):
            continue
        now = {**chosen, ends[0]: item}
        if all(_related(fact, now) for fact in relations) and _assignable(
            ends[1:], candidates, relations, now
        ):
            return True
    return False


def _finds_room(
    ref: str | int, free: dict[str | int, list[int]], owners: dict[int, str | int], asked: set[int]
) -> bool:
    """Give the name an item, asking earlier owners to move where they can (Kuhn's matching, 1955)."""
    for item in free[ref]:
        if item not in asked:
            asked.add(item)
            if item not in owners or _finds_room(owners[item], free, owners, asked):
                owners[item] = ref
                return True
    return False


def _related(fact: Sequence[str | int], chosen: dict[str | int, Item]) -> bool:
    """Whether the relation holds, as far as both of its ends are chosen yet."""
    one, other = chosen.get(fact[1]), chosen.get(fact[2])
    if not isinstance(one, Thing) or not isinstance(other, Thing):
        return True
    return RELATIONS[str(fact[0])](one, other)


def _check_fact(fact: Sequence[str | int], named: dict[str | int, type]) -> None:
    predicates = (*_COUNTED, "background", *_KINDS, *ATTRIBUTES, *SLOTS, *RELATIONS)
    check_name("fact", fact[0] if fact else None, predicates)
    predicate = str(fact[0])
    arity = 3 if predicate in (*ATTRIBUTES, *SLOTS, *RELATIONS) else 2
    if len(fact) != arity:
        raise InputError(
            message(
                f"The fact is {fact!r}.",
                f"A fact of {predicate!r} has {arity} entries.",
                "Write it as in ('colour', 0, 'red') or ('objects', 3).",
            )
        )
    if predicate == "background":
        check_name("background", fact[1], BACKGROUNDS)
    if predicate in ATTRIBUTES:
        check_name(predicate, fact[2], ATTRIBUTES[predicate])
        _check_ref(fact, fact[1], Thing, named)
    if predicate in SLOTS:
        check_name(predicate, fact[2], (*PARTS[predicate], "none"))
        _check_ref(fact, fact[1], Creature, named)
    if predicate in RELATIONS:
        for ref in fact[1:]:
            _check_ref(fact, ref, Thing, named)


def _check_ref(fact: Sequence[str | int], ref: str | int, kind: type, named: dict[str | int, type]) -> None:
    if named.get(ref) is not kind:
        word = "object" if kind is Thing else "creature"
        raise InputError(
            message(
                f"The fact {fact!r} speaks of {word} {ref!r}.",
                "What a fact speaks of is introduced by another fact.",
                f"Add ({word!r}, {ref!r}).",
            )
        )
