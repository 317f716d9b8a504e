"""What files of a study are called."""

FIGURE_SUFFIX = ".figure.json"  # data that a figure was drawn from; a folder of results may hold some
