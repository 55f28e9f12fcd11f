"""Artworks: hand-made features, palettes and texture of pictures, emotion tags, and the classifiers of the art-emotion study."""
