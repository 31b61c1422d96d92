"""Score maps as files: written while a network is evaluated, and read in the place of a network."""
