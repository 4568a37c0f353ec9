"""Knowledge is found: a vector for each entry, the index, search, and how good it is."""
