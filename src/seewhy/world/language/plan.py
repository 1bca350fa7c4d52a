"""From what a caption is to say to its words and its facts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seewhy.world.grammar import SLOTS
from seewhy.world.language.facts import ATTRIBUTES, Fact
from seewhy.world.language.words import NUMBERS, PLACES, PLURALS, SPOKEN_RELATIONS, listed, with_article

_ORDER = (*ATTRIBUTES, *SLOTS)
_LEADS = ("{0}", "a scene with {0}", "a picture of {0}", "there {1} {0}", "you can see {0}", "here {1} {0}")

# Relations said from the other side: which one it is.
_TURNED = {"right of": "left of", "below": "above", "around": "inside", "smaller": "larger"}


@dataclass(frozen=True)
class Mention:
    """An object or a creature and what is said of it: (attribute or slot, value), in the order of saying."""

    kind: str
    said: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Plan:
    """All that a caption says. `relation`, as it is said, is that of the first mention to the second."""

    level: int
    template: int
    counts: tuple[tuple[str, int], ...] = ()
    background: str | None = None
    mentions: tuple[Mention, ...] = ()
    relation: str | None = None

    def with_said(self, at: int, name: str, value: str) -> Plan:
        """The same plan with that value of mention `at`, new or in place of another."""
        said = {**dict(self.mentions[at].said), name: value}
        ordered = tuple((key, said[key]) for key in _ORDER if key in said)
        mention = replace(self.mentions[at], said=ordered)
        return replace(self, mentions=(*self.mentions[:at], mention, *self.mentions[at + 1 :]))


@dataclass(frozen=True)
class _Clause:
    """What one sentence of a caption speaks of."""

    kind: str
    mentions: tuple[Mention, ...]


def facts_of(plan: Plan) -> tuple[Fact, ...]:
    """What the plan says, things numbered in the order in which the text names them."""
    facts: list[Fact] = [*plan.counts]
    if plan.background is not None:
        facts.append(("background", plan.background))
    ref = 0
    relation: list[Fact] = []
    for clause in _clauses(plan):
        if clause.kind == "related":
            name = plan.relation or ""
            pair = (ref, ref + 1) if name not in _TURNED else (ref + 1, ref)
            relation.append((_TURNED.get(name, name), *pair))
        for mention in clause.mentions:
            facts.append((mention.kind, ref))
            facts += [(name, ref, value) for name, value in mention.said]
            ref += 1
    return (*facts, *relation)


def write(plan: Plan) -> str:
    """The caption's text."""
    heard: set[str] = set()
    sentences = [_sentence(clause, plan, heard) for clause in _clauses(plan)]
    if plan.level < 4:
        body, plural = sentences[0] if sentences else _counted(plan.counts)
        return _placed(body, plural, plan)
    texts = [
        _LEADS[3].format(body, _be(plural)) if clause.kind == "list" else body
        for clause, (body, plural) in zip(_clauses(plan), sentences, strict=True)
    ]
    head = _head(plan)
    if head:
        last = plan.template == 5 and plan.counts
        texts.insert(len(texts) if last else 0, head)
    return ". ".join(texts) + "."


def _clauses(plan: Plan) -> list[_Clause]:
    """The sentences about things; the fourth level tells creatures first in two of its templates."""
    related = [_Clause("related", plan.mentions[:2])] if plan.relation else []
    rest = plan.mentions[2:] if plan.relation else plan.mentions
    described = [mention for mention in rest if mention.kind == "creature" and mention.said]
    bare = [mention for mention in rest if mention not in described]
    # What is said in the same words stands together.
    first = {mention: at for at, mention in reversed(list(enumerate(bare)))}
    bare.sort(key=lambda mention: first[mention])
    plain = [_Clause("list", tuple(bare))] if bare else []
    creatures = [_Clause("creature", (mention,)) for mention in described]
    return [*creatures, *related, *plain] if plan.template in (2, 4) else [*related, *plain, *creatures]


def _head(plan: Plan) -> str:
    """The fourth level's sentence of how many and where."""
    place = PLACES.get(plan.background or "", "")
    if not plan.counts:
        return f"a scene {place}" if place else ""
    body, plural = _counted(plan.counts)
    if plan.template == 5 and plan.mentions:
        return f"in all there {_be(plural)} {body} {place}".strip()
    return _placed(body, plural, plan)


def _placed(body: str, plural: bool, plan: Plan) -> str:
    """The words before the body, and where it is."""
    lead = _LEADS[plan.template].format(body, _be(plural))
    if plan.background is None:
        return lead
    place = PLACES[plan.background]
    if plan.template == 4:
        return f"{place} {lead}"
    return f"{place}, {body}" if plan.template == 5 and plan.level == 3 else f"{lead} {place}"


def _sentence(clause: _Clause, plan: Plan, heard: set[str]) -> tuple[str, bool]:
    """The clause in words, and whether its verb is to be plural; `heard` are the noun phrases used before."""
    if clause.kind == "related":
        one, other = (_noun_phrase(mention, heard) for mention in clause.mentions)
        return f"{one} {SPOKEN_RELATIONS[plan.relation or '']} {other}", False
    if clause.kind == "creature":
        parts = [
            f"no {slot}" if variant == "none" else with_article(f"{variant} {slot}")
            for slot, variant in clause.mentions[0].said
        ]
        return f"{_noun_phrase(Mention('creature'), heard)} has {listed(parts)}", False
    phrases: list[str] = []
    plural = False
    for mention in dict.fromkeys(clause.mentions):
        many = clause.mentions.count(mention)
        # "Two creatures" would count them; "a creature and another creature" says only that these are there.
        together = many > 1 and mention.kind == "object"
        plural = plural or (together and not phrases)
        if together:
            phrases.append(_noun_phrase(mention, heard, many))
        else:
            phrases += [_noun_phrase(mention, heard) for _ in range(many)]
    return listed(phrases), plural


def _noun_phrase(mention: Mention, heard: set[str], many: int = 1) -> str:
    said = dict(mention.said) if mention.kind == "object" else {}
    noun = said.get("shape", mention.kind)
    adjectives = [said[name] for name in ("size", "texture", "colour") if name in said]
    alone = " ".join([*adjectives, noun])
    before = alone in heard
    heard.add(alone)
    if many > 1:
        return " ".join([NUMBERS[many], *(["other"] if before else []), *adjectives, PLURALS[noun]])
    return f"another {alone}" if before else with_article(alone)


def _counted(counts: tuple[tuple[str, int], ...]) -> tuple[str, bool]:
    """How many there are, and whether that is plural."""
    if counts == (("things", 0),):
        return "nothing", False
    phrases = [f"{NUMBERS[n]} {name[:-1] if n == 1 else name}" for name, n in counts]
    return listed(phrases), counts[0][1] != 1


def _be(plural: bool) -> str:
    return "are" if plural else "is"
