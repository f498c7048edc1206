"""A serverless platform on this machine: this file names the package's public parts."""

from typing import TYPE_CHECKING, Any

from ringback.simulate.findings import Finding, Severity
from ringback.simulate.platforms import Platform, PlatformUnknown, platform
from ringback.simulate.report import Report

if TYPE_CHECKING:
    from ringback.simulate.simulation import Simulation, simulated

__all__ = ["Finding", "Platform", "PlatformUnknown", "Report", "Severity", "Simulation", "platform", "simulated"]


def __getattr__(name: str) -> Any:
    """Load what needs the extra `simulate` when it is asked for: the command line shows its help without it."""
    if name in ("Simulation", "simulated"):
        from ringback.simulate import simulation

        return getattr(simulation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
