"""CUDA kernels, one source for GPU and CPU: points into cells, pictures into cells, middles of objects."""
