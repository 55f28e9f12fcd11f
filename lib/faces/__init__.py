"""Faces in pictures: the detection ladder, landmarks, alignment, crops, recall against ground truth."""
