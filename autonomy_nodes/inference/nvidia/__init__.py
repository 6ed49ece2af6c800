"""What runs on NVIDIA: engines of TensorRT and our own CUDA kernels, imported only where they are used."""
