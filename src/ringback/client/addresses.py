"""Addresses that others are to call."""


def check_address(url: object, what: str) -> None:
    """Refuse an address that is none.

    Args:
        url: what was given.
        what: what it is the address of, for the error.

    Raises:
        ValueError: it has no scheme, or not that of HTTP.
    """
    if not str(url).lower().startswith(("http://", "https://")):
        raise ValueError(f"{what} must begin with http:// or https://, but is {url!r}")
