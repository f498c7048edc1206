"""Templates: from values to HTML."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from ringback import __version__
from ringback.console.screens import ROOT, Screen, Section, Values
from ringback.console.views import plots, words


class Renderer:
    """Knows the templates, and what all of them may use.

    Args:
        sections: what stands in the navigation.
    """

    def __init__(self, sections: Iterable[Section]) -> None:
        self._environment = Environment(
            loader=PackageLoader("ringback.console"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {
            "root": ROOT,
            "navigation": _navigation(sections),
            "version": __version__,
            "asset": _assets(),
            "plot": lambda *given, **named: Markup(plots.bars(*given, **named)),  # noqa: S704 - made of numbers
            "words": words,
            "link": link,
        }
        self._environment.filters |= {
            "segment": lambda text: quote(str(text), safe=""),
            "iso": words.iso,
            "utc": words.utc,
            "duration": words.duration,
            "size": words.size,
            "count": words.count,
            "state": words.state,
            "tone": words.tone,
            "pretty": words.pretty,
            "query": lambda given: urlencode(given, doseq=True),
            "json": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
        }

        for file in ("macros.html", "meter.html", "filters.html"):
            module = self._environment.get_template(file).module
            self._environment.globals |= {name: value for name, value in vars(module).items() if callable(value)}

    def page(self, template: str, values: Values) -> str:
        """Return a whole page."""
        return self._environment.get_template(template).render(values)

    def fragment(self, template: str, block: str, values: Values) -> str:
        """Return one block of a page."""
        found = self._environment.get_template(template)
        return "".join(found.blocks[block](found.new_context(values)))


def link(asked: Mapping[str, Sequence[str]], **changes: str | None) -> str:
    """Return the address of this page with other query parameters; None takes one away."""
    given = {name: list(values) for name, values in asked.items() if name not in changes}
    given |= {name: [value] for name, value in changes.items() if value is not None}
    return "?" + urlencode(given, doseq=True)


def _navigation(sections: Iterable[Section]) -> dict[str, list[Screen]]:
    groups: dict[str, list[Screen]] = {}
    for section in sections:
        for screen in section.screens:
            if screen.group:
                groups.setdefault(screen.group, []).append(screen)
    return groups


def _assets() -> Any:
    """Addresses of static files change with their content, so that browsers may keep them."""
    folder = resources.files("ringback.console") / "static"
    marks = {one.name: hashlib.sha256(one.read_bytes()).hexdigest()[:10] for one in folder.iterdir() if one.is_file()}
    return lambda name: f"{ROOT}/static/{name}?{marks[name]}"
