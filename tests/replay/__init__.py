"""Histories that workers of every version must be able to go on with."""
