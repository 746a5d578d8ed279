"""The net: its graph, what is computed together, and its run."""
