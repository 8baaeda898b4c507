"""Expectations: what a scenario asks of replies, one module per family, one registry over all of them."""
