"""A finished model, in its study or exported, on new images.

listing: which files are meant      reading: images as the study read its own
model: the model and its classes    runtimes: loads and runs a model file of any format
abstention: when it says `unsure`   explaining: pictures of where it looks
predictions, rows: the answers, as arrays and as lines of text
"""
