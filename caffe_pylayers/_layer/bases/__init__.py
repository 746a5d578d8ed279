"""Base classes of layers, by what happens to the bottom's values."""
