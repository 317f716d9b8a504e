"""Video to features: decoding, clip sampling, extraction and the HDF5 store (imports only the bottom layer)."""
