"""Talks and documents become knowledge that one can search."""
