"""vestige.learners.data.sources.imagefolder and the decoding of image files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vestige.learners.data.sources.load import load_examples
from vestige.learners.errors import DataError


def paint(path: Path, seed: int, shape: tuple[int, ...] = (4, 6, 3), mode: str | None = None) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return pixels


def test_flat_folder(tmp_path: Path) -> None:
    pixels = [paint(tmp_path / name, i) for i, name in enumerate(["cat/1.png", "cat/2.PNG", "dog/0.bmp"])]
    (tmp_path / "README.md").write_text("not an image")
    (tmp_path / "cat" / ".hidden").write_text("not an image")
    (tmp_path / "dog" / "Thumbs.db").write_text("not an image")
    examples = load_examples("imagefolder:.", base=tmp_path)
    assert np.array_equal(examples.images, np.stack(pixels))
    assert examples.labels.tolist() == [0, 0, 1] and examples.class_names == ("cat", "dog")
    assert not examples.test_part.any() and examples.shape == (4, 6, 3)


def test_train_and_test_folders(tmp_path: Path) -> None:
    names = ["train/cat/a.png", "train/dog/a.png", "train/dog/b.png", "test/dog/a.png"]
    pixels = [paint(tmp_path / name, i) for i, name in enumerate(names)]
    paint(tmp_path / "val" / "cat" / "a.png", 9)
    examples = load_examples(f"imagefolder:{tmp_path}")
    assert np.array_equal(examples.images, np.stack(pixels))
    assert examples.labels.tolist() == [0, 1, 1, 1]
    assert examples.test_part.tolist() == [False, False, False, True]


def test_train_folder_alone(tmp_path: Path) -> None:
    paint(tmp_path / "train" / "cat" / "a.png", 0)
    assert not load_examples(f"imagefolder:{tmp_path}").test_part.any()


def test_grey_stays_grey_and_joins_colour(tmp_path: Path) -> None:
    grey = paint(tmp_path / "a" / "0.png", 0, (4, 6))
    assert np.array_equal(load_examples(f"imagefolder:{tmp_path}").images[0, ..., 0], grey)
    colour = paint(tmp_path / "b" / "0.png", 1)
    paint(tmp_path / "b" / "1.png", 2, mode="P")
    examples = load_examples(f"imagefolder:{tmp_path}")
    assert np.array_equal(examples.images[0], np.repeat(grey[..., None], 3, axis=2))
    assert np.array_equal(examples.images[1], colour) and examples.shape == (4, 6, 3)


def test_opaque_alpha_is_dropped_and_transparency_refused(tmp_path: Path) -> None:
    colour = paint(tmp_path / "a" / "0.png", 0, mode="RGBA")
    assert np.array_equal(load_examples(f"imagefolder:{tmp_path}").images[0], colour)
    paint(tmp_path / "a" / "1.png", 1, (4, 6, 4))
    with pytest.raises(DataError, match=r"1\.png.*partly transparent"):
        load_examples(f"imagefolder:{tmp_path}")


def test_opaque_palette_and_grey_alpha(tmp_path: Path) -> None:
    grey = paint(tmp_path / "a" / "0.png", 0, (4, 6), mode="LA")
    assert np.array_equal(load_examples(f"imagefolder:{tmp_path}").images[0, ..., 0], grey)
    colour = paint(tmp_path / "a" / "1.png", 1)
    palette = Image.fromarray(colour).convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    palette.save(tmp_path / "a" / "1.png", transparency=b"\xff" * 256)
    assert np.array_equal(load_examples(f"imagefolder:{tmp_path}").images[1], colour)


def test_sizes_that_differ_name_the_file(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "0.png", 0)
    paint(tmp_path / "b" / "7.png", 1, (6, 4, 3))
    with pytest.raises(DataError, match=r"7\.png: expected 6 x 4 pixels as in .*0\.png, got 4 x 6; resize all"):
        load_examples(f"imagefolder:{tmp_path}")


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.fromarray(np.zeros((4, 4), dtype=np.uint16)).save(tmp_path / "a" / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png.*8 bits"):
        load_examples(f"imagefolder:{tmp_path}")


def test_huge_images_are_refused_before_decoding(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for side in (4097, 12_000):
        Image.new("1", (side, side)).save(tmp_path / "a" / "huge.png")
        with pytest.raises(DataError, match=r"huge\.png.*could not be read"):
            load_examples(f"imagefolder:{tmp_path}")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_damaged_files_are_named(tmp_path: Path, suffix: str) -> None:
    paint(tmp_path / "a" / "0.png", 0, (40, 60, 3))
    broken = tmp_path / "a" / f"broken.{suffix}"
    paint(broken, 1, (40, 60, 3))
    whole = broken.read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"text", whole[:20]):
        broken.write_bytes(data)
        with pytest.raises(DataError, match=rf"broken\.{suffix}: expected an image"):
            load_examples(f"imagefolder:{tmp_path}")


def test_other_formats_than_those_listed_are_not_opened(tmp_path: Path) -> None:
    paint(tmp_path / "x.gif", 0)
    (tmp_path / "a").mkdir()
    (tmp_path / "x.gif").rename(tmp_path / "a" / "x.png")
    with pytest.raises(DataError, match="expected an image"):
        load_examples(f"imagefolder:{tmp_path}")


def test_wrong_layouts(tmp_path: Path) -> None:
    def refused(message: str) -> None:
        with pytest.raises(DataError, match=message):
            load_examples(f"imagefolder:{tmp_path}")

    with pytest.raises(DataError, match="expected a folder"):
        load_examples(f"imagefolder:{tmp_path / 'absent'}")
    refused("one subfolder of images a class, got no subfolder")
    paint(tmp_path / "a" / "0.png", 0)
    (tmp_path / "b").mkdir()
    refused("b: expected at least one image of this class")
    (tmp_path / "b" / "notes.txt").write_text("x")
    refused(r"notes\.txt: expected only image files")
    (tmp_path / "b" / "notes.txt").unlink()
    paint(tmp_path / "b" / "deeper" / "0.png", 0)
    refused("deeper: expected only image files")
    paint(tmp_path / "loose.png", 0)
    refused(r"images beside them \(loose\.png\)")


def test_test_classes_must_be_known(tmp_path: Path) -> None:
    paint(tmp_path / "train" / "cat" / "a.png", 0)
    paint(tmp_path / "test" / "cow" / "a.png", 0)
    with pytest.raises(DataError, match="got also cow"):
        load_examples(f"imagefolder:{tmp_path}")
