"""The loops that claude-run is measured against, as their users would write them."""
