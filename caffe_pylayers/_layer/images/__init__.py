"""Images for data layers: read, listed, changed, with label maps and boxes that follow."""
