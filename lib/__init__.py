"""Faces in Stone: the small tested library behind the notebooks (ARCHITECTURE.md names its rooms)."""
