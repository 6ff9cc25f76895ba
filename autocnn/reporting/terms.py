"""The words of the report's tables, each in a sentence; docs/glossary.md has more."""

import re

TERMS: dict[str, str] = {
    "trial": "one set of params, trained once on train and scored on val",
    "params": "the values of one trial: architecture, augmentation, regularisation, optimisation",
    "space": "all params that may be tried, a YAML file",
    "objective": "the score that the search improves, measured on val",
    "default configuration": "the first start point of the space, trial 0; always compared with "
    "the winner",
    "fold": "one part of train; a fold model is trained on the other parts and val, and predicts "
    "this one",
    "refit": "a finalist trained again on all of train + val",
    "candidate": "a model that is judged on test: a refit (or the trial's own model where there "
    "was no time for it), the mean of several refits of a finalist (and of the trial's own "
    "model where they are few) or of its fold models, or an ensemble",
    "clean test": "the test images without a copy, or an image of their group, in train or val",
    "gap": "a difference between two scores: train minus val is overfitting, val minus folds is "
    "luck or less training, folds minus clean test is shift",
    "group": "images that belong together, such as those of one patient; a split never separates "
    "them",
    "drop": "mean loss of accuracy on disturbed images (noise, blur, ...)",
    "tie (`=1`)": "test cannot distinguish this candidate from candidate 1",
    "opening of the test split": "one time that candidates were scored on test; recorded in "
    "`study.json` as `test_looks`",
}
"""Term -> what it means."""


def page_terms(*, has_clean: bool) -> list[tuple[str, str]]:
    """Terms and their meanings as a page has them.

    Args:
        has_clean: Whether test has copies of other images; else its clean part is all of it.
    """
    found = [(term.replace("`", ""), meaning.replace("`", "")) for term, meaning in TERMS.items()]
    if has_clean:
        return found
    return [
        (term, meaning.replace("clean test", "test"))
        for term, meaning in found
        if term != "clean test"
    ]


def uses_terms(text: str) -> bool:
    """Whether a text has one of these words.

    >>> uses_terms("Mean over the folds"), uses_terms("Images of each class")
    (True, False)
    """
    words = "|".join(re.escape(term.partition(" (")[0]) for term in TERMS)
    return re.search(rf"\b({words})s?\b|=1", text, re.IGNORECASE) is not None
