"""A finished model on new images, wherever it stands.

runtimes: what loads a model file and runs it
"""
