"""Graphs of workflows: what is alike, in which order it stands, and how it is drawn."""
