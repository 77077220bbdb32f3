"""What `flatnb.research` and `flatnb.reference` promise as packages: light, listed, documented."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import flatnb.reference
import flatnb.research

PACKAGES = [flatnb.research, flatnb.reference]
MODULES = [
    f"{package.__name__}.{module.name}"
    for package in PACKAGES
    for module in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", ["flatnb.research", "flatnb.reference"])
def test_importing_is_light(name: str) -> None:
    """No frame library and no client before one is used."""
    heavy = "polars pandas numpy massive urllib3 holidays http.server"
    script = (
        f"import sys, {name}; print([each for each in {heavy!r}.split() if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_export_is_there_and_documented(package: object) -> None:
    """And no module is named as a function is, or importing it would hide the function."""
    names = package.__all__  # type: ignore[attr-defined]
    modules = {name.rpartition(".")[2] for name in MODULES}
    for name in MODULES:
        importlib.import_module(name)
    for name in names:
        value = getattr(package, name)
        assert inspect.isfunction(value) or inspect.isclass(value)
        assert value.__doc__
        assert name not in modules
    assert set(names) <= set(dir(package))
    with pytest.raises(AttributeError, match="nothing_such"):
        package.nothing_such  # type: ignore[attr-defined] # noqa: B018


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    """What the docstrings show is what comes out."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0
