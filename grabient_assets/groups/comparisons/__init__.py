"""What the differences between artists are worth: signals of their works, fingerprints, pairs, votes and ratings."""
