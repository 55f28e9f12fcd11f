"""Where images come from: folders, samples, hand-drawn boxes; the image table; the census."""
