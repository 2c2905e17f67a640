"""What ``vestige.attacks`` and ``vestige.unlearners`` give at their top."""

import inspect

import pytest

import vestige.attacks
import vestige.unlearners
from vestige.attacks import collect_outputs, lira
from vestige.attacks.outputs import collect
from vestige.attacks.scores import lira as module


def test_names_of_functions_are_functions_and_no_modules():
    assert lira is module.lira and collect_outputs is collect.collect_outputs


@pytest.mark.parametrize("package", [vestige.attacks, vestige.unlearners], ids=lambda package: package.__name__)
def test_every_public_name_is_there(package):
    for name in package.__all__:
        assert not inspect.ismodule(getattr(package, name)), name
