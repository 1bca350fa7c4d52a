"""The 24 creature classes of task T4: one part in each of the five slots.

Found by a search over all ways to give the slots the same five part colours, mint twice; checked by the tests:

- all classes have the same amounts of the same colours, so that colour says nothing; hence any two differ in at
  least two slots, and one slot alone tells at most 4 of the 24 apart;
- in each slot mint is in 8 to 11 classes, each other colour in 3 to 7;
- each class has 2 to 5 minimal sufficient sets of parts: sets that no other class has all of, and none of whose
  smaller parts is such a set.

Among such tables this one has classes that differ little in how much of each colour lies at the edges of parts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One class: its name, and the variant in each slot."""

    name: str
    crest: str
    beak: str
    wing: str
    tail: str
    foot: str

    @property
    def variants(self) -> tuple[str, ...]:
        """The five variants, in the order of `SLOTS`."""
        return self.crest, self.beak, self.wing, self.tail, self.foot


KINDS: tuple[Kind, ...] = (
    Kind("alba", "spiky", "pointed", "feathered", "forked", "padded"),
    Kind("bano", "spiky", "hooked", "spotted", "forked", "padded"),
    Kind("ceru", "spiky", "hooked", "broad", "forked", "clawed"),
    Kind("dilo", "spiky", "blunt", "spotted", "forked", "hoofed"),
    Kind("emba", "tufted", "crossed", "feathered", "forked", "padded"),
    Kind("fora", "tufted", "crossed", "broad", "forked", "hoofed"),
    Kind("gano", "tufted", "hooked", "banded", "forked", "padded"),
    Kind("hiru", "tufted", "blunt", "banded", "barbed", "padded"),
    Kind("ilmo", "tufted", "blunt", "banded", "forked", "hoofed"),
    Kind("joba", "tufted", "blunt", "feathered", "curled", "padded"),
    Kind("kelu", "horned", "crossed", "spotted", "forked", "padded"),
    Kind("lano", "horned", "crossed", "broad", "forked", "clawed"),
    Kind("mira", "horned", "pointed", "broad", "curled", "padded"),
    Kind("noro", "horned", "pointed", "broad", "forked", "webbed"),
    Kind("olba", "crowned", "crossed", "broad", "fanned", "hoofed"),
    Kind("pelo", "crowned", "crossed", "broad", "barbed", "clawed"),
    Kind("quin", "crowned", "pointed", "broad", "curled", "hoofed"),
    Kind("ruba", "crowned", "pointed", "broad", "barbed", "webbed"),
    Kind("sero", "crowned", "hooked", "broad", "curled", "clawed"),
    Kind("tilo", "crowned", "hooked", "broad", "fanned", "webbed"),
    Kind("umba", "crowned", "blunt", "banded", "fanned", "hoofed"),
    Kind("vero", "crowned", "blunt", "banded", "barbed", "clawed"),
    Kind("wano", "crowned", "blunt", "spotted", "curled", "hoofed"),
    Kind("zelo", "crowned", "blunt", "feathered", "curled", "clawed"),
)
