"""What runs several evaluations or trainings."""
