"""ringback: the queue that calls you back."""

__version__ = "0.1.0"
