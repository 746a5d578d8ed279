"""Logs of trainings, the program's and ours, and the plots of their curves."""
