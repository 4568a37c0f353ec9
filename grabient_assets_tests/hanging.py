"""How long a test waits for what must come."""

HANGING_SECONDS = 300.0
"""Guards against hanging for ever. No test measures with it, so a busy machine fails none."""
