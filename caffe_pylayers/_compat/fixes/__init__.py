"""Fixes of what libraries have changed, in fissix's form: a module fix_x with a class FixX."""
