"""What is known of the models, and what is new: as text and as JSON."""
