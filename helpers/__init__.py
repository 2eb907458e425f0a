"""What the notebooks share: data, training, plots, widgets. Small modules, meant to be opened.

Importing this package imports nothing else; each module is loaded when a notebook asks for it.
"""
