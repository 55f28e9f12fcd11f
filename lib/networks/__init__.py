"""Networks: the architectures of the studies, layer by layer, on any Keras backend."""
