"""What a run found, as records, with where it came from."""
