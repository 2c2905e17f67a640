"""Models that others made, asked for logits."""

from learners._own_code import also_from, own_line, own_sources
from learners.outside._asking import ask
from learners.outside._factory import Factory
from learners.outside._model_files import OutsideModel, load_model
from learners.outside._predictors import Predictor, as_predictor
from learners.outside._preprocessing import OwnPreprocessing, Preprocessing
from learners.outside._settings import (
    find_preprocessing,
    parse_mean,
    parse_preprocessing,
    parse_resize,
    parse_std,
)
from learners.outside._training import find_training, weights_bytes, weights_note, weights_of

__all__ = [
    "Factory",
    "OutsideModel",
    "OwnPreprocessing",
    "Predictor",
    "Preprocessing",
    "also_from",
    "as_predictor",
    "ask",
    "find_preprocessing",
    "find_training",
    "load_model",
    "own_line",
    "own_sources",
    "parse_mean",
    "parse_preprocessing",
    "parse_resize",
    "parse_std",
    "weights_bytes",
    "weights_note",
    "weights_of",
]
