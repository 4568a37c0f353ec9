"""Sources are fetched, read and cut. What is asked about them is decided downstream."""
