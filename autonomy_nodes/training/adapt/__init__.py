"""A network made to fit another sensor or place from sweeps that nobody labelled."""
