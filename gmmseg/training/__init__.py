"""Training over mmengine's Runner: reproducible to the bit, and resumed exactly where it was interrupted."""
