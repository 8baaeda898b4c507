"""What a run looks like: in files for people and for CI, on GitHub, and on a terminal."""
