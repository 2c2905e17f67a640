"""Models that others made, asked for logits."""

from learners.outside._asking import ask
from learners.outside._factory import Factory
from learners.outside._model_files import OutsideModel, load_model
from learners.outside._predictors import Predictor, as_predictor
from learners.outside._preprocessing import OwnPreprocessing, Preprocessing
from learners.outside._settings import find_preprocessing, parse_mean, parse_preprocessing, parse_resize, parse_std

__all__ = [
    "Factory",
    "OutsideModel",
    "OwnPreprocessing",
    "Predictor",
    "Preprocessing",
    "as_predictor",
    "ask",
    "find_preprocessing",
    "load_model",
    "parse_mean",
    "parse_preprocessing",
    "parse_resize",
    "parse_std",
]
