"""The only writer of run data: the run folder, its journal, and the transcripts derived from it."""
