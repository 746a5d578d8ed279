"""What metrics share: values over a test pass, counts by class, curves, pictures."""
