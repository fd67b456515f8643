"""Sessions in one process, with no server: the same turns on the same store."""
