"""Every exception a caller of ringback can catch.

RingbackError
├── Refused              the broker says no; carries the HTTP status and the text for the caller
└── SignatureInvalid     a delivery was not signed by the broker we trust
"""


class RingbackError(Exception):
    """What all errors of ringback derive from."""


class Refused(RingbackError):
    """A request was refused.

    Args:
        status: the HTTP status that says so (400 to 599).
        text: one sentence for the caller that names the field and says what was expected.
        headers: extra response headers, such as rate-limit headers.
    """

    def __init__(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class SignatureInvalid(RingbackError):
    """A signature is missing, forged, expired, or for another body or URL."""
