"""The ranking metrics in the frameworks that people train with."""
