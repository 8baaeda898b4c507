"""What a comparison looks like: on a terminal, as a comment, as a page, and for programs."""
