"""Floor 1: examples, splits, architectures, recipes, training, checkpoints, inference."""

from learners._architectures import ARCHITECTURES, Classifier, build_classifier
from learners._batches import Batches, batch_bounds, crop_windows, to_input
from learners._checkpoints import (
    Checkpoint,
    checkpoint_bytes,
    load_checkpoint,
    read_header,
    save_checkpoint,
    weights_digest,
)
from learners._code_version import code_version
from learners._device import one_thread, pick_device
from learners._duplicates import Duplicates, count_duplicates
from learners._engines import Engine, Processes
from learners._errors import ConfigError, DataError, VestigeError
from learners._examples import Examples, Indices, LabelNoise
from learners._files import (
    canonical_json,
    digest,
    digest_file,
    read_bounded,
    write_atomically,
    write_streamed,
    write_together,
)
from learners._flops import count_flops, forward_flops
from learners._inference import accuracy, predict_logits
from learners._jobs import available_workers, run_jobs
from learners._ledger import Ledger, LedgerWriter
from learners._near_duplicates import NearDuplicates, find_near_duplicates
from learners._npy_header import NpyHeader, check_letters, read_npy_header
from learners._ray import RayEngine
from learners._recipe import Recipe
from learners._refusals import refusal
from learners._scratch import scratch_array
from learners._seeds import derive_seed, numpy_generator, seeded_torch, torch_generator
from learners._selection import Selection, read_selection
from learners._split import Setting, Split, split_classes, split_random, split_subjects
from learners._split_selection import split_indices, split_selection
from learners._stacked import train_stacked
from learners._torchvision import load_torchvision
from learners._train import Progress, check_finite, fit, schedule_factor, sgd, steps_per_epoch, train
from learners._train_many import Strategy, TrainJob, choose_workers, plan_groups, train_many
from learners._unseen_source import with_unseen
from learners._views import View, parse_views, predict_views
from learners.sources import SOURCES, load_examples

__all__ = [
    "ARCHITECTURES",
    "SOURCES",
    "Batches",
    "Checkpoint",
    "Classifier",
    "ConfigError",
    "DataError",
    "Duplicates",
    "Engine",
    "Examples",
    "Indices",
    "LabelNoise",
    "Ledger",
    "LedgerWriter",
    "NearDuplicates",
    "NpyHeader",
    "Processes",
    "Progress",
    "RayEngine",
    "Recipe",
    "Selection",
    "Setting",
    "Split",
    "Strategy",
    "TrainJob",
    "VestigeError",
    "View",
    "accuracy",
    "available_workers",
    "batch_bounds",
    "build_classifier",
    "canonical_json",
    "check_finite",
    "check_letters",
    "checkpoint_bytes",
    "choose_workers",
    "code_version",
    "count_duplicates",
    "count_flops",
    "crop_windows",
    "derive_seed",
    "digest",
    "digest_file",
    "find_near_duplicates",
    "fit",
    "forward_flops",
    "load_checkpoint",
    "load_examples",
    "load_torchvision",
    "numpy_generator",
    "one_thread",
    "parse_views",
    "pick_device",
    "plan_groups",
    "predict_logits",
    "predict_views",
    "read_bounded",
    "read_header",
    "read_npy_header",
    "read_selection",
    "refusal",
    "run_jobs",
    "save_checkpoint",
    "scratch_array",
    "schedule_factor",
    "seeded_torch",
    "sgd",
    "split_classes",
    "split_indices",
    "split_random",
    "split_selection",
    "split_subjects",
    "steps_per_epoch",
    "to_input",
    "torch_generator",
    "train",
    "train_many",
    "train_stacked",
    "weights_digest",
    "with_unseen",
    "write_atomically",
    "write_streamed",
    "write_together",
]
