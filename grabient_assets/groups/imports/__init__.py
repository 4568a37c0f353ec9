"""Answers that earlier systems paid for: reading their exports, and storing what they hold."""
