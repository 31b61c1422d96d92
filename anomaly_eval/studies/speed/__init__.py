"""How fast networks are, and how much memory they take, beside each other: frames a second, milliseconds, ratios."""
