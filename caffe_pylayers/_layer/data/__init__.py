"""What data layers are made of: items, batches made ahead by workers, orders that follow from the seed."""
