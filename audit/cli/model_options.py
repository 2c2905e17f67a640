"""Options of the commands that run models made elsewhere: which files, which data, how an image is prepared."""

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vestige.audit.cli.options import PATH, SEED, bundled, option
from vestige.learners.errors import DataError

if TYPE_CHECKING:
    from vestige.audit.config.audit_data import AuditData
    from vestige.audit.workflows.external import InferenceSettings


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What names the data: an audit file, or a source with lists of examples."""

    config_path: Path | None = option(
        "--config", type=PATH, help="Audit file whose [data] and [forget] name data and split."
    )
    source: str | None = option(
        "--data", help="Instead of --config: a data source, e.g. imagefolder:photos (docs/data.md)."
    )
    forget: str | None = option(help="File listing the examples to forget: indices, file names, people or a mask.")
    unseen: str | None = option(help="Unseen examples: a number, a file listing them, or a second source.")
    retain: str | None = option(help="File listing the rest of the training set  [default: all other examples]")
    forget_column: str | None = option(help="Column of the --forget file, where its name does not say so.")
    unseen_column: str | None = option(help="Column of the --unseen file.")
    retain_column: str | None = option(help="Column of the --retain file.")
    image_column: str | None = option(help="Column of images in a parquet or huggingface source.")
    label_column: str | None = option(help="Column of labels in a parquet or huggingface source.")
    seed: int | None = option(type=SEED, help="Seed for sampling the data.")

    @property
    def given(self) -> bool:
        """Whether anything but an audit file was named."""
        options = (field.name for field in fields(self) if field.name not in ("config_path", "seed"))
        return any(getattr(self, name) is not None for name in options)

    @property
    def base(self) -> Path:
        """Folder that relative names start from."""
        return Path(".") if self.config_path is None else self.config_path.parent

    def load(self) -> "AuditData":
        """Examples and split. Raises UsageError for a mixture, and as ``read_data``."""
        from vestige.audit.config.audit_data import data_from_options, read_data

        if self.config_path is not None:
            if self.given:
                raise click.UsageError("give either --config, or --data with --forget, not both")
            return read_data(self.config_path, seed=self.seed)
        if self.source is None or self.forget is None:
            raise click.UsageError("give --data SOURCE and --forget FILE, or --config FILE that names both")
        return data_from_options(
            self.source,
            self.forget,
            unseen=self.unseen,
            retain=self.retain,
            column=self.forget_column,
            unseen_column=self.unseen_column,
            retain_column=self.retain_column,
            image_column=self.image_column,
            label_column=self.label_column,
            seed=self.seed or 0,
        )


@dataclass(frozen=True, kw_only=True)
class InferenceOptions:
    """How models are run on the data, as texts."""

    factory: str | None = option(
        "--model", help="Builds the network for the weights: package.module:function, torchvision:NAME."
    )
    mean: str | None = option(help="Channel means to subtract, in 0..1, e.g. 0.485,0.456,0.406.")
    std: str | None = option(help="Channel deviations to divide by, e.g. 0.229,0.224,0.225.")
    resize: str | None = option(help="224 (the shorter side) or 256x192 (height x width).")
    channels: str | None = option(help="rgb, bgr or grey.")
    layout: str | None = option(help="channels_first or channels_last  [default: first, or as the file says]")
    preprocess: str | None = option(help="Instead of these: package.module:function from uint8 images to the input.")
    device: str | None = option(help="auto, cpu, cuda or cuda:N  [default: auto, or the audit file's]")
    batch_size: int | None = option(type=click.IntRange(1), help="Images per call  [default: 512]")

    @property
    def given(self) -> bool:
        """Whether anything was named that only models made elsewhere need."""
        return any((self.factory, self.mean, self.std, self.resize, self.channels, self.layout, self.preprocess))

    @property
    def needs_models(self) -> bool:
        """Whether anything was named that models need and outputs do not."""
        return self.given or self.device is not None or self.batch_size is not None

    def parse(self, base: Path) -> "InferenceSettings":
        """Raises UsageError for a mixture, ConfigError for a text that cannot be used."""
        from vestige.audit.workflows.external import InferenceSettings
        from vestige.learners.external.settings import find_preprocessing, parse_preprocessing

        ready = {name: getattr(self, name) for name in ("mean", "std", "resize", "channels", "layout")}
        if self.preprocess is not None and any(ready.values()):
            raise click.UsageError(
                "give either --preprocess, or --mean, --std, --resize, --channels, --layout, not both"
            )
        return InferenceSettings(
            factory=self.factory,
            preprocessing=find_preprocessing(self.preprocess, base=base)
            if self.preprocess is not None
            else parse_preprocessing(**ready),
            device=InferenceSettings.device if self.device is None else self.device,
            batch_size=self.batch_size or InferenceSettings.batch_size,
            base=base,
        )


data_options = bundled("data", DataOptions, section="Data for checkpoints")
"""Adds the options of ``DataOptions`` and passes them as one argument, ``data``."""
inference_options = bundled("inference", InferenceOptions, section="Inference")
"""Adds the options of ``InferenceOptions`` and passes them as one argument, ``inference``."""


def expand(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The files behind paths and patterns (``retrain-*.pt``), those of one pattern in natural order; DataError for a
    pattern that nothing matches."""
    files: list[Path] = []
    for path in paths:
        if path.exists() or not glob.has_magic(str(path)):
            files.append(path)
            continue
        matches = sorted(map(Path, glob.glob(str(path))), key=_natural)
        if not matches:
            raise DataError(f"{path}: expected files of such names, got none; check the folder")
        files += matches
    return tuple(files)


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path)) if part]
