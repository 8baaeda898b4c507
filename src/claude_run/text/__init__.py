"""Text at the border: JSON read strictly, and what is shown to people."""
