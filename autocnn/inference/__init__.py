"""A finished model at work: on new images, on other labelled images, in another format."""
