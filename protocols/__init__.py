"""Features and annotations to results: one module a protocol (imports features and the bottom layer)."""
