"""Video Studio: shop photos in, a finished video out."""

__version__ = "0.1.0"
