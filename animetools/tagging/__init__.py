"""Taggers: networks that name what is in a picture, and what is made of their answers."""
