"""More than one process carries: Ray's actors, on this machine or on many."""
