"""Examples and split out of the tables ``[data]`` and ``[forget]``."""

from dataclasses import replace
from pathlib import Path

from vestige.audit.config.tables import DataTable, ForgetTable
from vestige.learners.data.examples import Examples
from vestige.learners.data.selection import Selection, read_selection
from vestige.learners.data.sources.load import load_examples
from vestige.learners.data.split import Split, split_classes, split_random, split_subjects
from vestige.learners.data.split_selection import split_selection
from vestige.learners.data.unseen_source import with_unseen
from vestige.learners.errors import ConfigError


def check_together(data: DataTable, forget: ForgetTable) -> None:
    """ConfigError where the two tables contradict each other."""
    if forget.file is not None and data.subset is not None:
        raise ConfigError(
            "forget.file: expected no data.subset next to it, got both; a subset would renumber the indices"
        )


def build_data(data: DataTable, forget: ForgetTable, seed: int, base: Path) -> tuple[Examples, Split]:
    """Examples and split; relative paths start from ``base``, ``seed`` holds where a table has none of its own."""
    examples, left_out = load_table(data, seed, base)
    split = split_table(examples, forget, seed if forget.seed is None else forget.seed, base)
    return examples, split if left_out is None else replace(split, description=f"{split.description}; {left_out}")


def load_table(data: DataTable, seed: int, base: Path) -> tuple[Examples, str | None]:
    """The examples of ``[data]``, and a sentence on what a second source took the place of."""
    examples = load_examples(
        data.source,
        download=data.download,
        image_column=data.image_column,
        label_column=data.label_column,
        base=base,
    )
    left_out = None
    if data.unseen_source is not None:
        examples, left_out = _joined(examples, data, base)
    drawn = seed if data.seed is None else data.seed
    if data.subset is not None:
        examples = examples.subset(data.subset, drawn)
    return examples.with_label_noise(data.label_noise, drawn), left_out


def _joined(examples: Examples, data: DataTable, base: Path) -> tuple[Examples, str]:
    source = data.unseen_source or ""
    columns = {"image_column": data.image_column, "label_column": data.label_column}
    known = {key: value for key, value in columns.items() if source.partition(":")[0] in ("parquet", "huggingface")}
    other = load_examples(source, download=data.download, base=base, **known)
    tested = int(examples.test_part.sum())
    dropped = f"; {tested} test examples of {examples.name} are not used" if tested else ""
    return with_unseen(examples, other), f"the test part is all of {source}{dropped}"


def split_table(examples: Examples, forget: ForgetTable, seed: int, base: Path) -> Split:
    """The split that ``[forget]`` asks for."""
    validation = forget.validation
    if forget.random is not None:
        return split_random(examples, forget=forget.random, unseen=forget.unseen, validation=validation, seed=seed)
    if forget.classes is not None:
        return split_classes(examples, classes=forget.classes, unseen=forget.unseen, validation=validation, seed=seed)
    if forget.subjects is not None:
        return split_subjects(
            examples, subjects=forget.subjects, unseen=forget.unseen, validation=validation, seed=seed
        )

    def selected(key: str, text: str, column: str | None) -> Selection:
        if "\0" in text or not text:
            raise ConfigError(f"forget.{key}: expected the path of a file, got {text!r}; correct the value")
        try:
            path = base / Path(text).expanduser()
        except RuntimeError as error:
            raise ConfigError(f"forget.{key}: expected a path whose home folder exists, got {text!r}") from error
        return read_selection(path, examples, column=column)

    return split_selection(
        examples,
        forget=selected("file", forget.file or "", forget.column),
        unseen=forget.unseen
        if forget.unseen_file is None
        else selected("unseen_file", forget.unseen_file, forget.unseen_column),
        retain=None if forget.retain is None else selected("retain", forget.retain, forget.retain_column),
        validation=validation,
        seed=seed,
    )
