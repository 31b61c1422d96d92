"""An ablation study from a plan to its table: trainings, refits, evaluations, and what of them is done already."""
