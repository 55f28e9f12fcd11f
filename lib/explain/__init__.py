"""Explanations: where in a face a network finds what it answers, and whether that can be believed."""
