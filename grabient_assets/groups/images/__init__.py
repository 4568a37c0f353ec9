"""Images by their content, whoever made them."""
