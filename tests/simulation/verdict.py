"""How a law is stated: what has to hold, and what is said where it does not."""


class Broken(Exception):
    """A law is broken."""


def hold(law: object, text: str) -> None:
    """Raise where a law does not hold."""
    if not law:
        raise Broken(text)
