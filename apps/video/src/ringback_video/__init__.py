"""Video Studio: shop photos in, a finished video out."""
