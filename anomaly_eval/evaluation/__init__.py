"""One run: its inputs, the loop over images, and what is measured of them."""
