"""The legend of curves and points: above them, since no corner is free in every figure."""

from matplotlib.axes import Axes

LINE = 0.17  # inches of an entry


def add_legend(axes: Axes) -> None:
    """Write the entries above the axes, one a line, in a figure that is made so much higher."""
    legend = axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, borderpad=0)
    figure = axes.get_figure(root=True)
    if figure is not None:
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + LINE * len(legend.get_texts()))
