"""Every metric by name, one lazy line each: importing this fills the registry."""

from __future__ import annotations

from seewhy.evaluate.base import METRICS, Metric

__all__ = ["METRICS", "Metric"]

for _name, _where in {
    # where: maps against masks
    "nra": "nra:NRA",
    "nra_cefam": "nra:CeFamNRA",
    "hit_rate": "nra:HitRate",
    "vea": "nra:VEA",
    "epg": "localisation:EPG",
    "epg_corrected": "localisation:CorrectedEPG",
    "epg_cefam": "localisation:CeFamEPG",
    "pointing_game": "localisation:PointingGame",
    "auroc": "localisation:AUROC",
    "average_precision": "localisation:AveragePrecision",
    "relevance_rank": "localisation:RelevanceRank",
    "top_k": "localisation:TopK",
    "part_specificity": "localisation:PartSpecificity",
    "imagenet_segmentation": "segmentation:ImageNetSegmentation",
    # controlled settings
    "gridpg": "grids:GridPG",
    "difull": "grids:DiFull",
    "dipart": "grids:DiPart",
    # how much: maps and contributions against the model
    "insertion": "faithfulness:Insertion",
    "deletion": "faithfulness:Deletion",
    "ins_minus_del": "faithfulness:InsMinusDel",
    "spearman": "agreement:Spearman",
    "pearson": "agreement:Pearson",
    "sign_agreement": "agreement:SignAgreement",
    "top1": "agreement:Top1",
    "normalised_l1": "agreement:NormalisedL1",
    "false_contribution": "agreement:FalseContribution",
    # what: concepts against presence and class truth
    "concept_auroc": "concepts:ConceptAUROC",
    "concept_ap": "concepts:ConceptAP",
    "concept_ece": "concepts:ConceptECE",
    "concept_precision": "concepts:ConceptPrecision",
    "concept_recall": "concepts:ConceptRecall",
    "matched_auroc": "matching:MatchedAUROC",
    "naming_accuracy": "matching:NamingAccuracy",
    "cem": "concept_importance:CEM",
    "cgim": "concept_importance:CGIM",
    "cgim_auroc": "concept_importance:CGIMAUROC",
    # how many: sparse heads
    "nec_accuracy": "nec:NECAccuracy",
    "anec": "nec:ANEC",
}.items():
    METRICS.add_lazy(_name, f"seewhy.evaluate.{_where}")
