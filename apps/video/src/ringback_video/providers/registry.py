"""Which providers there are, and how one is put together from the environment; its client is imported only then."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ringback_video.providers.contract import Provider
from ringback_video.providers.local import LocalProvider


@dataclass(frozen=True, slots=True)
class Entry:
    """A provider of somebody else.

    Attributes:
        module, maker: where its adapter is.
        extra: of `ringback-video`, that brings its client.
        needs: variables it cannot do without.
    """

    module: str
    maker: str
    extra: str
    needs: tuple[str, ...]


PROVIDERS: dict[str, Entry] = {
    "google-veo": Entry("google_veo", "GoogleVeo", "google", ("GOOGLE_CLOUD_PROJECT",)),
    "google-omni": Entry("google_omni", "GoogleOmni", "google", ("GEMINI_API_KEY",)),
    "replicate": Entry("replicate", "Replicate", "replicate", ("REPLICATE_API_TOKEN",)),
    "fal": Entry("fal", "Fal", "fal", ("FAL_KEY",)),
    "runway": Entry("runway", "Runway", "runway", ("RUNWAYML_API_SECRET",)),
}
"""By the name that `STUDIO_PROVIDER` calls them; `local` is our own."""


def make_provider(name: str, environment: Mapping[str, str], folder: Path) -> Provider:
    """Return the provider of that name.

    Args:
        name: `local`, or one of `PROVIDERS`.
        environment: with its keys.
        folder: where our own renderer keeps its operations.

    Raises:
        ValueError: the name is not known, a variable is missing, or its client is not installed; the text says what to do.
    """
    if name == "local":
        return LocalProvider(folder)
    entry = PROVIDERS.get(name)
    if entry is None:
        raise ValueError(f"STUDIO_PROVIDER is {name!r}; it must be one of: local, {', '.join(PROVIDERS)}")
    missing = [variable for variable in entry.needs if not environment.get(variable)]
    if missing:
        raise ValueError(f"{missing[0]} is not set; the provider {name} needs it")
    try:
        module = import_module(f"ringback_video.providers.{entry.module}")
    except ImportError as error:
        raise ValueError(f'the provider {name} needs: pip install "ringback-video[{entry.extra}]"') from error
    provider: Provider = getattr(module, entry.maker).from_environment(environment)
    return provider
