"""Play scripted multi-turn conversations with Claude and keep what was said, paid and judged."""

__version__ = "0.1.0"
