"""What several jobs of one transaction want done once, at its end."""

from collections.abc import Callable, Hashable


class Later:
    """Keeps one job for each key, and runs them in the order they were asked for."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, Callable[[], None]] = {}

    def add(self, key: Hashable, job: Callable[[], None]) -> None:
        """Keep a job, unless there is one for this key already."""
        self._jobs.setdefault(key, job)

    def run(self) -> None:
        """Run what is kept, and what that asks for in turn."""
        while self._jobs:
            jobs, self._jobs = self._jobs, {}
            for job in jobs.values():
                job()
