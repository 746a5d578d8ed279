"""What losses share: weights, ignored positions, normalizers, hard examples."""
