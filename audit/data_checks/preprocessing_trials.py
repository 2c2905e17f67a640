"""Other ways to prepare images: what the options of the command can say, near the given way or in common use."""

from collections.abc import Iterator
from dataclasses import replace

from vestige.learners.external.preprocessing import Preprocessing

Values = tuple[tuple[float, ...], tuple[float, ...]]
"""Means and deviations of the channels, one for each or one for all, in units of images scaled to 0..1."""

STEPS = (((0.5, 1 / 1.5, 1.5, 2.0), (-1.0, -0.5, 0.5, 1.0)), ((0.8, 1.25), (-0.25, 0.25)))
"""Gains and offsets of the network's input, first coarse, then fine."""

_IMAGENET, _CIFAR = (0.485, 0.456, 0.406), (0.4914, 0.4822, 0.4465)
_COMMON: tuple[Values, ...] = (
    ((0.0,), (1.0,)),  # 0..1
    ((0.0,), (1 / 255,)),  # 0..255
    ((0.5,), (0.5,)),
    ((0.1307,), (0.3081,)),  # MNIST
    ((0.286,), (0.353,)),  # Fashion-MNIST
)
_COLOUR: tuple[Values, ...] = (
    (_IMAGENET, (0.229, 0.224, 0.225)),
    (_IMAGENET, (1 / 255,)),  # as networks of Caffe want it, in BGR
    (_CIFAR, (0.247, 0.2435, 0.2616)),
    (_CIFAR, (0.2023, 0.1994, 0.201)),  # the same data; deviations averaged over images, as often copied
)
_GREY: tuple[Values, ...] = (((0.449,), (0.226,)), ((0.481,), (0.239,)))  # ImageNet and CIFAR-10 in grey


def common(given: Preprocessing, channels: int) -> tuple[Preprocessing, ...]:
    """The common means and deviations in place of those of ``given``. channels: of the network's input."""
    values = _COMMON + (_COLOUR if channels == 3 else _GREY)
    return _others(given, (_with(given, mean, std) for mean, std in values))


def reversed_colours(given: Preprocessing, channels: int) -> tuple[Preprocessing, ...]:
    """BGR in place of RGB, or the reverse; none where a network sees a single channel, or one repeated.
    channels: of the images."""
    if channels != 3 or given.channels == "grey":
        return ()
    return (replace(given, channels="rgb" if given.channels == "bgr" else "bgr"),)


def gained(given: Preprocessing, gains: tuple[float, ...]) -> tuple[Preprocessing, ...]:
    """The network's input multiplied by each of ``gains``, where the options can say it."""
    mean, std = values_of(given)
    return _others(given, (_with(given, mean, tuple(value / gain for value in std)) for gain in gains))


def moved(given: Preprocessing, offsets: tuple[float, ...]) -> tuple[Preprocessing, ...]:
    """Each of ``offsets`` added to the network's input, where the options can say it."""
    mean, std = values_of(given)
    wide = max(len(mean), len(std))
    pairs = list(zip(mean * (wide // len(mean)), std * (wide // len(std)), strict=True))
    return _others(given, (_with(given, tuple(m - by * s for m, s in pairs), std) for by in offsets))


def values_of(preprocessing: Preprocessing) -> Values:
    """Its means and deviations, as if images were scaled to 0..1 first."""
    unit, mean, std = 1.0 if preprocessing.scale else 255.0, preprocessing.mean or (0.0,), preprocessing.std or (1.0,)
    return tuple(value / unit for value in mean), tuple(value / unit for value in std)


def command_options(preprocessing: Preprocessing) -> str:
    """What a user types for it, without resize and layout: ``--mean 0.5 --std 0.25 --channels bgr``."""
    mean, std = values_of(preprocessing)
    parts = [
        f"--{name} {','.join(f'{value:.4g}' for value in values)}"
        for name, values, neutral in (("mean", mean, 0.0), ("std", std, 1.0))
        if any(value != neutral for value in values)
    ]
    if preprocessing.channels is not None:
        parts.append(f"--channels {preprocessing.channels}")
    return " ".join(parts) or "no --mean and no --std"


def _with(given: Preprocessing, mean: tuple[float, ...], std: tuple[float, ...]) -> Preprocessing | None:
    """None where ``--mean`` and ``--std`` refuse these; rounded to four digits, as ``command_options`` prints them."""
    mean, std = (tuple(float(f"{value:.4g}") for value in values) for values in (mean, std))
    if not all(0 <= value <= 1 for value in mean) or not all(0 < value <= 1 for value in std):
        return None
    return replace(
        given,
        scale=True,
        mean=_once(mean) if any(mean) else None,
        std=_once(std) if any(value != 1 for value in std) else None,
    )


def _once(values: tuple[float, ...]) -> tuple[float, ...]:
    return values[:1] if len(set(values)) == 1 else values


def _others(given: Preprocessing, trials: Iterator[Preprocessing | None]) -> tuple[Preprocessing, ...]:
    """Those that the options can say and that differ from ``given``, each once; none where a network takes uint8 and
    does all of it itself."""
    if given.dtype == "uint8":
        return ()
    distinct = {(values_of(trial), trial.channels): trial for trial in (given, *trials) if trial is not None}
    return tuple(trial for key, trial in distinct.items() if key != (values_of(given), given.channels))
