"""Training: faces to learn from, fitting with a checkpoint each epoch, losses, and the models this machine keeps."""
