"""A study as pictures: drawn from records, without Keras and without computing scores."""
