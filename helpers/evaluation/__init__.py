"""Judge generated images: distances to the real ones, precision and recall, labels, copies.

Images are float32 [n, c, h, w] in [-1, 1]. Distances are measured between features of a small
classifier of sprites, so they compare with each other and with nothing published.
"""

from .classifier import SpriteClassifier, extract_features, load_classifier
from .comparison import SamplerSettings, compare_samplers, score_sets
from .intervals import Score, mean_score, proportion
from .metrics import colours_per_image, frechet_distance, kernel_distance, label_accuracy, precision_recall
from .neighbours import copy_rates, nearest_neighbours
from .prompts import judge_prompts, load_judge, shares_right
from .report import Report, evaluate, real_halves
from .tables import (
    ablation_curves,
    ablation_table,
    above_floor_table,
    comparison_table,
    curves_by_noise,
    fine_tuning_table,
    folded,
    guidance_table,
    markdown_table,
    quality_curves,
    show_score,
    summary_table,
)

__all__ = [
    "Report",
    "SamplerSettings",
    "Score",
    "SpriteClassifier",
    "ablation_curves",
    "ablation_table",
    "above_floor_table",
    "colours_per_image",
    "compare_samplers",
    "comparison_table",
    "copy_rates",
    "curves_by_noise",
    "evaluate",
    "extract_features",
    "fine_tuning_table",
    "folded",
    "frechet_distance",
    "guidance_table",
    "judge_prompts",
    "kernel_distance",
    "label_accuracy",
    "load_classifier",
    "load_judge",
    "markdown_table",
    "mean_score",
    "nearest_neighbours",
    "precision_recall",
    "proportion",
    "quality_curves",
    "real_halves",
    "score_sets",
    "shares_right",
    "show_score",
    "summary_table",
]
