"""animetools: Unix filters for anime images and StyleGANs."""

__version__ = "0.2.0"
