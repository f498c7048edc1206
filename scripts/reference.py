"""Writes the pages that are made from the code: HTTP API, command line, the drawing of the rooms, llms.txt."""

import inspect
import re
import tomllib
from pathlib import Path

import click

from ringback.broker.api.routes import ROUTES, Route
from ringback.cli.commands import ringback
from ringback.cli.settings_page import page as settings_page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def pages() -> dict[Path, str]:
    """Return every page that is made, with its text."""
    made = {
        DOCS / "reference" / "settings.md": settings_page(),
        DOCS / "reference" / "http-api.md": http_api(),
        DOCS / "reference" / "cli.md": command_line(),
        DOCS / "images" / "rooms.svg": rooms(),
    }
    made[DOCS / "llms.txt"] = list_for_assistants(made)
    return made


HTTP_HEAD = """# HTTP API

Every call of the broker, made from its routes; `GET /v2/openapi.json` has the same as an OpenAPI description. All want
`Authorization: Bearer <token>` (or `?qstash_token=`), but webhooks. Names in braces are path segments; `{destination}` is the raw rest of the
address. A refusal is `{"error": "..."}` with the status; the text names the field and says what was expected. The [message headers](headers.md) configure
publish, enqueue, the items of a batch, schedules, and, as overrides, retries from the dead letters.

| call | what it does |
|---|---|
"""


def http_api() -> str:
    """Return the table of calls."""
    return HTTP_HEAD + "".join(f"| `{route.method} {_plain(route.path)}` | {_about(route)} |\n" for route in ROUTES)


def _plain(path: str) -> str:
    return re.sub(r"\{(\w+)[*.]*\}", r"{\1}", path)


def _about(route: Route) -> str:
    text = " ".join((route.respond.__doc__ or "").split("\n\n")[0].split())
    return re.sub(r" \(protocol [\d., to]+\)", "", text).replace("|", "\\|")


CLI_HEAD = """# Command line

Made from the commands themselves; `ringback COMMAND --help` says the same.

Commands that talk to a broker find it by `QSTASH_URL` and `QSTASH_TOKEN`, or `--broker` and `--token`; with neither they take the local `ringback dev`. `--json` makes
their answer one for programs. Tables are coloured on a terminal only, and cut nowhere but there. `ringback completion bash` prints what a shell needs to complete them.

| exit status | means |
|---|---|
| 0 | done |
| 1 | refused, failed or interrupted; some commands say more below |
| 2 | wrong usage |
| 3 | the broker gives no answer |
"""


def command_line() -> str:
    """Return a section for each command."""
    context = click.Context(ringback, info_name="ringback")
    sections = [_section(command, f"ringback {name}", context) for name, command in _commands(ringback, context)]
    return CLI_HEAD + "".join(sections)


def _commands(group: click.Group, context: click.Context) -> list[tuple[str, click.Command]]:
    found = ((name, group.get_command(context, name)) for name in group.list_commands(context))
    return [(name, command) for name, command in found if command is not None]


def _section(command: click.Command, name: str, parent: click.Context, depth: int = 2) -> str:
    context = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent)
    arguments = " ".join(command.collect_usage_pieces(context)).replace("[OPTIONS] ", "").replace("[OPTIONS]", "")
    text = (
        f"\n{'#' * depth} `{name} {arguments}`".replace(" `", "`").replace("##`", "## `")
        + f"\n\n{_prose(command.help)}\n"
    )
    options = [one.get_help_record(context) for one in command.params if isinstance(one, click.Option)]
    rows = "".join(
        f"| `{_cell(given[0])}` | {_cell(given[1])} |\n" for given in options if given and "--help" not in given[0]
    )
    text += f"\n| option | |\n|---|---|\n{rows}" if rows else ""
    if isinstance(command, click.Group):
        text += "".join(
            _section(one, f"{name} {inner}", context, depth + 1) for inner, one in _commands(command, context)
        )
    return text


def _prose(text: str | None) -> str:
    """Return help text; what click is told to leave as it is becomes a block."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text or "")):
        if paragraph.startswith("\b"):
            lines = [line.strip() for line in paragraph.splitlines()[1:]]
            paragraphs.append("```text\n" + "\n".join(lines) + "\n```")
        else:
            paragraphs.append(" ".join(paragraph.split()))
    return "\n\n".join(paragraphs)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def rooms() -> str:
    """Return a drawing of the rooms of the house, as the import rules stack them."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(rule["layers"] for rule in rules if rule["name"] == "Imports point down")
    rows = [[name.strip(" ()") for name in layer.split("|")] for layer in layers if layer != "__main__"]
    width, height, gap = 960, 40, 10
    parts = []
    for number, row in enumerate(rows):
        box = (width - gap * (len(row) + 1)) / len(row)
        top = gap + number * (height + gap)
        for place, name in enumerate(row):
            left = gap + place * (box + gap)
            parts.append(
                f'<rect x="{left:.0f}" y="{top}" width="{box:.0f}" height="{height}" rx="6"/>'
                f'<text x="{left + box / 2:.0f}" y="{top + 25}">{name}</text>'
            )
    title = f"The rooms of ringback, from the top down: {', '.join(name for row in rows for name in row)}"
    style = "rect{fill:#e6f4f1;stroke:#0f766e}text{font:600 15px sans-serif;text-anchor:middle;fill:#0f172a}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {gap + len(rows) * (height + gap)}" role="img">'
        f"<title>{title}</title><style>{style}</style>{''.join(parts)}</svg>\n"
    )


def list_for_assistants(made: dict[Path, str]) -> str:
    """Return llms.txt: what each page is about, for programs that read on behalf of a person."""
    lines = [
        "# ringback\n",
        "> The queue that calls you back: a self-hosted push queue and workflow engine, wire-compatible with QStash v2 and Upstash Workflow.\n",
    ]
    for folder in ("", "tutorials", "guides", "reference", "decisions"):
        paths = sorted((DOCS / folder).glob("*.md"))
        if paths:
            lines.append(f"## {folder.capitalize() or 'Start'}\n")
            lines += [_line(path, made.get(path) or path.read_text()) for path in paths]
            lines.append("")
    return "\n".join(lines)


def _line(path: Path, text: str) -> str:
    title, _, rest = text.partition("\n")
    plain = re.sub(r"^```.*?^```", "", rest, flags=re.MULTILINE | re.DOTALL)
    paragraphs = (" ".join(one.split()) for one in plain.split("\n\n"))
    prose = next((one for one in paragraphs if one and one[0] not in "#|<!-"), "")
    first = re.split(
        r"(?<=\.) ", re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", r"\1", prose).removeprefix("Decision. "), maxsplit=1
    )[0]
    name = title.lstrip("# ").replace("`", "")
    return f"- [{name}]({path.relative_to(DOCS).as_posix()}): {first}".rstrip(": ")


def main() -> None:
    """Write all pages."""
    for path, text in pages().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
