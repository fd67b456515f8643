"""Temporal activities: thin, with their ports injected."""
