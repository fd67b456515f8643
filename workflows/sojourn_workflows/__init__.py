"""Temporal workflows: deterministic, pure models only."""
