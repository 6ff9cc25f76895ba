"""autocnn as a scikit-learn classifier: images in arrays, a study, its best network, predictions.

pixels: any numbers as uint8 images    inner_study: the study, and where its files are
network: the winner, also in a pickle  estimator: fit, predict, get_params, ...
old_names: for pickles of older versions
"""

from autocnn.classifier.estimator import AutoCNNClassifier

__all__ = ["AutoCNNClassifier"]
