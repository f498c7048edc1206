"""Loading what `MODULE:NAME` on the command line means."""

import importlib
import os
import sys
from typing import Any

import click


def load(target: str) -> Any:
    """Return the object that `MODULE:NAME` names; modules of the current folder are found.

    Raises:
        click.UsageError: there is none; the text says what is missing.
    """
    module, _, name = target.partition(":")
    if not module or not name:
        raise click.UsageError(f"expected MODULE:NAME such as shop.workflows:order, not {target!r}")
    if os.getcwd() not in sys.path:  # noqa: PTH109 - an entry of sys.path is text
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        raise click.UsageError(f"there is no module {module!r} in this folder or in the environment") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise click.UsageError(f"module {module!r} has no {name!r}")
        found = getattr(found, part)
    return found
