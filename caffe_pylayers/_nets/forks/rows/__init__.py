"""The rows of the table of forks, by field."""
