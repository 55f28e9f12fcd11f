"""Labellers: methods that give a face a score for each expression, the multi-label target made of them, and how far they agree."""
