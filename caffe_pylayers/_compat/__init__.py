"""Python 2 and libraries of its time, for published layers: translated as they are imported, or for good."""
