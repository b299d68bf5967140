"""animetools: Unix filters that make anime image datasets."""

__version__ = "0.1.0"
