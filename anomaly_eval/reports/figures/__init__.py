"""Figures for papers: one style, PDF and PNG, from plain data."""
