"""Embedded stand-ins: procedural data, drawn on the fly from a seed, one module a world."""
