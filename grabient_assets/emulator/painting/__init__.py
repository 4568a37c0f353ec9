"""Pictures that the emulated brushes paint from the words of a prompt."""
