"""Widgets for notebooks; the only package that imports ipywidgets and anywidget."""
