"""What losses on embeddings share: distances, cosines, triplets, learned vectors of classes."""
