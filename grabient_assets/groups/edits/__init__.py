"""Image edits: an editor changes an image, and nothing outside of the region that it was given."""
