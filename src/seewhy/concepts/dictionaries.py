"""Every dictionary of concepts, one lazy line each; to add one, write its class and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seewhy.registry import Registry

if TYPE_CHECKING:
    from seewhy.concepts.base import Dictionary

DICTIONARIES: Registry[type[Dictionary]] = Registry("dictionary")
"""Classes by name, imported when first asked for."""

DICTIONARIES.add_lazy("nmf", "seewhy.concepts.factorise:NMF")
DICTIONARIES.add_lazy("semi_nmf", "seewhy.concepts.factorise:SemiNMF", aliases=("seminmf",))
DICTIONARIES.add_lazy("kmeans", "seewhy.concepts.factorise:KMeans", aliases=("k_means",))
DICTIONARIES.add_lazy("pca", "seewhy.concepts.factorise:PCA")
DICTIONARIES.add_lazy("ica", "seewhy.concepts.factorise:ICA")
