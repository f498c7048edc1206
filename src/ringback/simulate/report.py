"""The report at the end: this file says in words, or as JSON, what would have gone wrong."""

import json
import textwrap
from dataclasses import asdict, dataclass

from ringback.simulate.findings import Finding, counted

_GUARDS = {
    "kernel": "read-only but for the temporary folder, held by the kernel (Landlock) for the application and its children",
    "python": "read-only but for the temporary folder for Python's own calls; what other code writes is not seen on this machine",
    "nothing": "writable; what is written is gone with the instance",
    "": "no instance was started",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a simulation has shown.

    Attributes:
        platform, application: what was simulated.
        requests, cold_starts: how many there were.
        guard: what held the file system: `kernel`, `python`, `nothing`, or empty.
        findings: what would have gone wrong, the worst first.
    """

    platform: str
    application: str
    requests: int
    cold_starts: int
    guard: str
    findings: tuple[Finding, ...]

    @property
    def exit_status(self) -> int:
        """0 without findings, 10 with warnings, 20 with errors."""
        return max((int(one.severity) for one in self.findings), default=0)

    def words(self) -> str:
        """Return it for a person."""
        numbers = f"{counted(self.requests, 'request')}, {counted(self.cold_starts, 'cold start')}"
        lines = [
            f"{self.application} on {self.platform}: {numbers}",
            f"file system: {_GUARDS[self.guard]}",
            "",
        ]
        if not self.requests and not self.findings:
            return "\n".join([*lines, "No request came in, so nothing was tried.", ""])
        if not self.findings:
            return "\n".join([*lines, "Nothing was seen that would go wrong in production.", ""])
        for one in self.findings:
            lines.append(f"{one.severity.name:<7}  {one.rule}")
            lines += _indented(one.what)
            lines += _indented(f"where: {one.where}")
            lines += _indented(f"do:    {one.remedy}")
            lines.append("")
        return "\n".join(lines)

    def as_json(self) -> str:
        """Return it for a program."""
        found = [{**asdict(one), "severity": one.severity.name.lower()} for one in self.findings]
        return json.dumps({**asdict(self), "findings": found}, indent=2)


def _indented(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        110,
        initial_indent=" " * 9,
        subsequent_indent=" " * (16 if text.startswith(("where:", "do:")) else 9),
        break_long_words=False,
        break_on_hyphens=False,
    )
