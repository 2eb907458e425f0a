"""Judge generated images: distances to the real ones, precision and recall, labels, copies.

Images are float32 [n, c, h, w] in [-1, 1]. Distances are measured between features of a small
classifier of sprites, so they compare with each other and with nothing published.
"""

from .classifier import (
    SpriteClassifier,
    classifier_loss,
    extract_features,
    load_classifier,
    split_words,
    word_targets,
)
from .comparison import SamplerSettings, compare_samplers, score_sets
from .metrics import Score, frechet_distance, kernel_distance, label_accuracy, precision_recall, share
from .neighbours import copies, nearest_neighbours
from .report import Report, evaluate, guidance_table, real_halves
from .tables import ablation_table, comparison_table, quality_curves, summary_table

__all__ = [
    "Report",
    "SamplerSettings",
    "Score",
    "SpriteClassifier",
    "ablation_table",
    "classifier_loss",
    "compare_samplers",
    "comparison_table",
    "copies",
    "evaluate",
    "extract_features",
    "frechet_distance",
    "guidance_table",
    "kernel_distance",
    "label_accuracy",
    "load_classifier",
    "nearest_neighbours",
    "precision_recall",
    "quality_curves",
    "real_halves",
    "score_sets",
    "share",
    "split_words",
    "summary_table",
    "word_targets",
]
