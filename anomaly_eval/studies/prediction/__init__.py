"""Images without labels: scores, what is taken for unknown, and pictures of both."""
