"""The use cases: from a plain request to values and warnings. Nothing here prints."""
