"""Whether a run is better or worse than another: exact, paired, deterministic statistics without any I/O."""
