"""TensorRT and CUDA: imported only where they are used, so that a machine without a GPU runs all the rest."""
