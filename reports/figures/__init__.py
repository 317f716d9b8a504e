"""Figures: each is data first, then a picture of it."""

from p3d_eval.reports.figures.data import FigureData, Matrix, Series

__all__ = ["FigureData", "Matrix", "Series"]
