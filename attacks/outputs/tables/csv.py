"""Tables as text: separated by commas, semicolons or tabs, perhaps packed with gzip, read block by block."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.tables.records import Block, Layout, blocks, read_layout, scan
from vestige.attacks.outputs.tables.sheet import Coder, Sheet, check_size, check_text, pandas
from vestige.learners.arrays import Floats
from vestige.learners.errors import DataError
from vestige.learners.files.scratch import scratch_array

# From so many columns on, one type for all is faster than one for each, though the block is parsed twice.
_MANY = 256


@dataclass(frozen=True)
class CsvTable:
    """A CSV file whose first line is read."""

    layout: Layout
    lists: Sequence[str] = ()

    @classmethod
    def open(cls, path: Path, *, tab: bool) -> "CsvTable":
        """The file at ``path``; DataError when its first line cannot be column names."""
        return cls(read_layout(path, tab=tab))

    @property
    def path(self) -> Path:
        """The file."""
        return self.layout.path

    @property
    def names(self) -> Sequence[str]:
        """Column names."""
        return self.layout.names

    def read(self, texts: Sequence[str], numbers: Sequence[str], max_bytes: int, *, label: str | None = None) -> Sheet:
        """The columns, numbers as float64, in two passes: the first counts rows and refuses what is not well formed, so
        that no room is made for a broken file."""
        spans, rows = [], 0
        for span in scan(self.layout):
            spans.append(span)
            rows += span.rows
            check_size(self.path, rows, max(len(numbers), 1), 8, max_bytes)
        if not rows:
            raise DataError(f"{self.path}: expected rows after the first line, got none")
        places = {name: place for place, name in enumerate(self.names)}
        at = [places[name] for name in numbers]
        coders = {places[name]: Coder(rows) for name in texts}
        values = scratch_array((rows, len(numbers)), np.float64)
        for block in blocks(self.layout, spans):
            self._take(block, coders, at, values[block.span.row : block.span.row + block.span.rows])
        return Sheet(
            self.path,
            rows,
            {name: coders[places[name]].texts() for name in texts},
            values,
            ("line", self.layout.line) if all(span.plain for span in spans) else ("row", 1),
        )

    def _take(self, block: Block, coders: dict[int, Coder], at: Sequence[int], out: Floats) -> None:
        """Read one block: texts into their coders, numbers into ``out``."""
        try:
            if len(at) > _MANY:
                out[:] = self._frame(block, at, np.float64).to_numpy()[:, np.argsort(np.argsort(at))]
                frame = self._frame(block, list(coders), object) if coders else None
            else:
                frame = self._frame(
                    block, [*coders, *at], dict.fromkeys(coders, object) | dict.fromkeys(at, np.float64)
                )
                out[:] = frame[list(at)].to_numpy() if at else 0
        except (ValueError, OverflowError) as error:
            raise self._bad_number(block, at, error) from error
        # A column of true and false alone is read as 1 and 0.
        doubtful = np.asarray(at, np.int64)[((out == 0) | (out == 1)).all(0)]
        if not np.isfinite(out).all() or (len(doubtful) and self._has_words(block, doubtful.tolist())):
            raise self._bad_number(block, at, None)
        if frame is not None:
            for place, coder in coders.items():
                self._code(block, place, frame[place].to_numpy(), coder)

    def _frame(self, block: Block, at: Sequence[int], types: Any) -> Any:
        """The columns ``at`` of a block; texts as they stand in the file."""
        try:
            frame = pandas().read_csv(
                io.BytesIO(block.data),
                sep=self.layout.separator,
                header=None,
                names=range(len(self.names)),
                usecols=sorted(at),
                index_col=False,
                dtype=types,
                engine="c",
                na_filter=False,
                low_memory=False,
                **_exact(),
            )
        except (
            pandas().errors.ParserError,
            pandas().errors.EmptyDataError,
            UnicodeDecodeError,
        ) as error:
            # It was well formed when the first pass looked at it.
            raise DataError(
                f"{self.path}: expected the same rows when read again, got others; copy it first"
            ) from error
        if len(frame) != block.span.rows:
            raise DataError(
                f"{self.path}, from line {block.span.line}: expected {block.span.rows} rows as when first read, "
                f"got {len(frame)}; copy the file first"
            )
        return frame

    def _code(self, block: Block, place: int, cells: NDArray[np.object_], coder: Coder) -> None:
        codes, names = pandas().factorize(cells)
        wrong = check_text(self.names[place], names)
        if wrong is not None:
            row = int(np.flatnonzero(codes == wrong[0])[0])
            raise DataError(f"{self.path}, line {block.line_of(row)}: {wrong[1]}")
        coder.add_coded(codes, names)

    def _has_words(self, block: Block, at: Sequence[int]) -> bool:
        frame = self._frame(block, at, object)
        return any(np.isin(pandas().unique(frame[place].str.lower()), ("true", "false")).any() for place in frame)

    def _bad_number(self, block: Block, at: Sequence[int], error: Exception | None) -> DataError:
        """The refusal of the first cell, in reading order, that is no finite number."""
        frame = self._frame(block, at, object)
        first: tuple[int, int, str] | None = None
        for place in at:
            cells = frame[place]
            wrong = np.flatnonzero(~np.isfinite(pandas().to_numeric(cells, errors="coerce").to_numpy(np.float64)))
            words = np.flatnonzero(cells.str.lower().isin(("true", "false")).to_numpy())
            for row in (*wrong[:1].tolist(), *words[:1].tolist()):
                if first is None or (row, place) < first[:2]:
                    first = (row, place, str(cells.iloc[row]))
        if first is None:
            return DataError(
                f"{self.path}, from line {block.span.line}: expected numbers, got something else ({error})"
            )
        row, place, cell = first
        return DataError(
            f"{self.path}, line {block.line_of(row)}, column {self.names[place]!r}: expected a finite number, "
            f"got {repr(cell[:60]) if cell.strip() else 'an empty cell'}{_advice(cell.strip())}"
        )


def _exact() -> dict[str, str]:
    """The switch for numbers to the last bit; from pandas 3.1 on that is the default and the switch deprecated."""
    version = tuple(map(int, pandas().__version__.split(".")[:2]))
    return {} if version >= (3, 1) else {"float_precision": "round_trip"}


def _advice(cell: str) -> str:
    head, comma, tail = cell.partition(",")
    if comma and head.lstrip("+-").isdecimal() and tail[:1].isdecimal():
        return "; write decimal points in place of decimal commas"
    if not cell or cell.lstrip("+-").lower() in ("nan", "na", "inf", "infinity"):
        return "; look at the model or the precision that made it"
    return "; is this a column of numbers?"
