"""What users give to be sent, as the text that travels."""

from ringback.wire.steps import dump
from ringback.wire.values import plain


def text_of(value: object, what: str) -> str | None:
    """Return text as it is, None for none, and anything else as JSON.

    Raises:
        ValueError: there is no way to write it; the text names `what`.
    """
    if value is None or isinstance(value, str):
        return value
    try:
        return value.decode() if isinstance(value, bytes) else dump(plain(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{what} cannot be sent: {error}") from None
