"""vestige.learners.external: preprocessing does what torchvision does, and says what it did."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.learners.external_files import expected, images, make
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.external.inference import infer
from vestige.learners.external.predictors import as_predictor
from vestige.learners.external.preprocessing import Preprocessing
from vestige.learners.external.settings import find_preprocessing, parse_preprocessing
from vestige.learners.torchvision import load_torchvision

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 12, 20, 3), dtype=np.uint8)


def test_the_default_scales_and_nothing_else() -> None:
    x = Preprocessing()(PIXELS)
    assert x.dtype == torch.float32 and x.is_contiguous()
    np.testing.assert_array_equal(x.numpy(), np.moveaxis(PIXELS, 3, 1).astype(np.float32) / 255)
    assert Preprocessing().describe() == "Images scaled to 0..1, channels first, nothing else."


@pytest.mark.parametrize("size", [6, 9, 30, (7, 5), (24, 40), (12, 20)])
def test_resizing_is_torchvisions(size: Any) -> None:
    load_torchvision()
    from torchvision.transforms import v2

    tensor = torch.from_numpy(PIXELS).movedim(3, 1)
    reference = v2.functional.resize(tensor, [size] if isinstance(size, int) else list(size), antialias=True)
    ours = (Preprocessing(resize=size)(PIXELS) * 255).round().int()
    assert ours.shape == reference.shape
    assert int((ours - reference.int()).abs().max()) <= 1


def test_resizing_is_close_to_pillows() -> None:
    ours = (Preprocessing(resize=(6, 10))(PIXELS) * 255).round().numpy().transpose(0, 2, 3, 1)
    theirs = np.stack(
        [np.asarray(Image.fromarray(image).resize((10, 6), Image.Resampling.BILINEAR)) for image in PIXELS]
    )
    assert np.abs(ours - theirs.astype(float)).max() <= 1


def test_normalising_is_torchvisions() -> None:
    load_torchvision()
    from torchvision.transforms import v2

    mean, std = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)
    x = Preprocessing(mean=mean, std=std)(PIXELS)
    reference = v2.functional.normalize(torch.from_numpy(PIXELS).movedim(3, 1) / 255, list(mean), list(std))
    torch.testing.assert_close(x, reference)


def test_channels() -> None:
    grey = PIXELS[..., :1]
    first = np.moveaxis(PIXELS, 3, 1)
    plain = {"scale": False}
    assert np.array_equal(Preprocessing(channels="bgr", **plain)(PIXELS).numpy(), first[:, ::-1])
    assert np.array_equal(Preprocessing(channels="rgb", **plain)(PIXELS).numpy(), first)
    assert np.array_equal(Preprocessing(channels="rgb", **plain)(grey).numpy(), first[:, :1].repeat(3, 1))
    assert np.array_equal(Preprocessing(channels="grey", **plain)(grey).numpy(), first[:, :1])
    luminance = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in PIXELS]).astype(float)
    assert np.abs(Preprocessing(channels="grey", **plain)(PIXELS).numpy()[:, 0] - luminance).max() <= 1


def test_layout_and_dtype() -> None:
    x = Preprocessing(layout="channels_last", scale=False, dtype="uint8")(PIXELS)
    assert x.dtype == torch.uint8 and np.array_equal(x.numpy(), PIXELS) and x.is_contiguous()
    assert Preprocessing(dtype="float16")(PIXELS).dtype == torch.float16


def test_description() -> None:
    made = Preprocessing(resize=224, channels="bgr", mean=(0.5,), std=(0.25, 0.5, 1), layout="channels_last")
    assert made.describe() == (
        "Images resized to 224 pixels on the shorter side (bilinear, antialiased), in BGR, scaled to 0..1, "
        "mean 0.5 subtracted, divided by 0.25, 0.5, 1, channels last."
    )


@pytest.mark.parametrize(
    ("images", "settings", "sentence"),
    [
        (PIXELS.astype(np.float32), {}, "got float32"),
        (PIXELS[0], {}, r"got uint8 \[12, 20, 3\]"),
        (np.moveaxis(PIXELS, 3, 1), {}, r"got uint8 \[5, 3, 12, 20\]"),
        (PIXELS[..., :1], {"mean": (0.5, 0.5, 0.5)}, "one mean for each of 1 channels, got 3"),
    ],
)
def test_images_that_do_not_fit(images: Any, settings: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        Preprocessing(**settings)(images)


@pytest.mark.parametrize(
    "settings",
    [{"std": (0.0,)}, {"mean": (np.nan,)}, {"dtype": "uint8"}, {"resize": 0}, {"resize": (3, 0)}, {"mean": ()}],
)
def test_settings_that_cannot_be(settings: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        Preprocessing(**settings)


def test_texts_of_the_command_line() -> None:
    made = parse_preprocessing(mean="0.5,0.4,0.3", std="0.25", resize="256x192", channels="bgr", layout="channels_last")
    assert made == Preprocessing(
        mean=(0.5, 0.4, 0.3), std=(0.25,), resize=(256, 192), channels="bgr", layout="channels_last"
    )
    assert parse_preprocessing() == Preprocessing() and parse_preprocessing(resize="224").resize == 224


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"mean": "a"}, "--mean: expected numbers"),
        ({"mean": "0.1,0.2"}, "1 or 3 finite numbers"),
        ({"mean": "nan"}, "finite"),
        ({"mean": "123.7,116,103"}, "divide them by 255"),
        ({"std": "0"}, "--std: expected deviations above 0"),
        ({"std": "58,57,57"}, "divide them by 255"),
        ({"std": "0.1,,0.1"}, "--std: expected numbers"),
        ({"resize": "0"}, "--resize: expected a side"),
        ({"resize": "224x"}, "--resize: expected a side"),
        ({"resize": "99999"}, "--resize: expected a side"),
        ({"resize": "-3"}, "--resize: expected a side"),
        ({"channels": "rgba"}, "--channels: expected one of rgb, bgr, grey"),
        ({"layout": "\x1b[2J"}, r"got '\\\\x1b"),
    ],
)
def test_texts_that_cannot_be_used(settings: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        parse_preprocessing(**settings)
    assert str(caught.value).isprintable()


def test_a_function_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "outside_own_transform.py").write_text(
        "import torch\n"
        "from torchvision.transforms import v2\n"
        "steps = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.0], [1.0])])\n"
        "def prepare(images):\n"
        "    return steps(torch.from_numpy(images).permute(0, 3, 1, 2))\n"
    )
    load_torchvision()
    prepare = find_preprocessing("outside_own_transform:prepare", base=tmp_path)
    np.testing.assert_allclose(
        infer(as_predictor(make(), preprocessing=prepare), images(), batch_size=4), expected(), atol=1e-6
    )
    with pytest.raises(ConfigError, match="preprocessing: expected a function outside_own_transform:other"):
        find_preprocessing("outside_own_transform:other", base=tmp_path)
    with pytest.raises(ConfigError, match="expected package.module:function"):
        find_preprocessing("prepare")


def test_a_function_that_loses_rows_is_refused() -> None:
    for prepare, sentence in [(lambda rows: rows[0], r"got the shape \[8, 8, 3\]"), (lambda rows: [1], "got list")]:
        with pytest.raises(DataError, match=sentence):
            infer(as_predictor(make(), preprocessing=prepare), images())
