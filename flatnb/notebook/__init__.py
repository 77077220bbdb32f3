"""Widgets for notebooks: the only room that knows ipywidgets and anywidget."""
