"""Every metric by name, one lazy line each: importing this fills the registry."""

from __future__ import annotations

from seewhy.evaluate.base import METRICS, Metric

__all__ = ["METRICS", "Metric"]

for _name, _where in {
    # where: maps against masks
    "nra": "where.nra:NRA",
    "nra_cefam": "where.nra:CeFamNRA",
    "hit_rate": "where.nra:HitRate",
    "vea": "where.nra:VEA",
    "epg": "where.localisation:EPG",
    "epg_corrected": "where.localisation:CorrectedEPG",
    "epg_cefam": "where.localisation:CeFamEPG",
    "pointing_game": "where.localisation:PointingGame",
    "auroc": "where.localisation:AUROC",
    "average_precision": "where.localisation:AveragePrecision",
    "relevance_rank": "where.localisation:RelevanceRank",
    "top_k": "where.localisation:TopK",
    "part_specificity": "where.localisation:PartSpecificity",
    "imagenet_segmentation": "where.segmentation:ImageNetSegmentation",
    # controlled settings
    "gridpg": "grids.settings:GridPG",
    "difull": "grids.settings:DiFull",
    "dipart": "grids.settings:DiPart",
    # how much: maps and contributions against the model
    "insertion": "how_much.faithfulness:Insertion",
    "deletion": "how_much.faithfulness:Deletion",
    "ins_minus_del": "how_much.faithfulness:InsMinusDel",
    "spearman": "how_much.agreement:Spearman",
    "pearson": "how_much.agreement:Pearson",
    "sign_agreement": "how_much.agreement:SignAgreement",
    "top1": "how_much.agreement:Top1",
    "normalised_l1": "how_much.agreement:NormalisedL1",
    "false_contribution": "how_much.agreement:FalseContribution",
    # what: concepts against presence and class truth
    "concept_auroc": "what.concepts:ConceptAUROC",
    "concept_ap": "what.concepts:ConceptAP",
    "concept_ece": "what.concepts:ConceptECE",
    "concept_precision": "what.concepts:ConceptPrecision",
    "concept_recall": "what.concepts:ConceptRecall",
    "matched_auroc": "what.matching:MatchedAUROC",
    "naming_accuracy": "what.matching:NamingAccuracy",
    "cem": "what.importance:CEM",
    "cgim": "what.importance:CGIM",
    "cgim_auroc": "what.importance:CGIMAUROC",
    # how many: sparse heads
    "nec_accuracy": "what.nec:NECAccuracy",
    "anec": "what.nec:ANEC",
}.items():
    METRICS.add_lazy(_name, f"seewhy.evaluate.{_where}")
