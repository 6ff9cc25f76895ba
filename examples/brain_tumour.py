"""Brain tumours on head scans: from a folder to learning curves, confusion matrix and ROC curves.

A script of cells (`# %%`): open it as a notebook in VS Code, Spyder or PyCharm, or run it:

    python examples/brain_tumour.py brain/

`brain/` holds `Training/` and `Testing/` with a folder per class (glioma, meningioma, notumor,
pituitary), as the public set of 7,023 scans does; any other folder of class folders works too.
Without one it takes the built-in `phantoms`, drawn slices of the same four classes. In a notebook,
write the folder into the first cell.
"""

# %% The scans
import sys

import matplotlib.pyplot as plt
import pandas as pd

import autocnn
from autocnn.data import decode_image, read_source

is_notebook = "ipykernel" in sys.modules
data = sys.argv[1] if len(sys.argv) > 1 and not is_notebook else "phantoms"
scans = read_source(data)
classes = pd.Series([scans.class_names[label] for label in scans.labels], name="class")
print(f"{len(scans):,} scans in {data}")

# %% How many there are of each class
splits = pd.Series([split or "not given" for split in scans.splits], name="split")
print(pd.crosstab(classes, splits, margins=True))
classes.value_counts(sort=False).plot.barh(title="Scans of each class")

# %% Three of each class
figure, places = plt.subplots(3, len(scans.class_names), squeeze=False)
for column, name in zip(places.T, scans.class_names, strict=True):
    for place, index in zip(column, classes.index[classes == name], strict=False):
        place.imshow(decode_image(scans.open(index), side=128), cmap="grey")
    column[0].set_title(name)
for place in places.flat:
    place.axis("off")

# %% Training: networks, augmentation and regularisation are searched, the best are retrained
study = autocnn.search(data, space="mri", trials=20, budget="1h")

# %% The candidates, the chosen one first
columns = ["rank", "kind", "train_accuracy", "val_accuracy", "test_accuracy"]
columns += ["test_clean_accuracy", "test_clean_accuracy_low", "test_clean_accuracy_high"]
print(study.leaderboard[columns].round(3).to_string(index=False))

# %% Its learning curves, confusion matrix and ROC curves, as they stand in the study's folder
best = study.path / f"candidates/{study.best.number:02d}"
for name in ("learning_curves", "confusion_matrix", "roc"):
    plt.figure(figsize=(9, 6), layout="constrained")
    plt.imshow(plt.imread(best / f"{name}.png"))
    plt.axis("off")

# %% The same numbers as tables
counts = pd.read_csv(best / "confusion_matrix.csv")
print(counts.pivot(index="label", columns="predicted", values="count"))
scores = pd.read_csv(best / "classes.csv").query("scored == 'test'")
print(scores.pivot(index="label", columns="score", values="value").round(3))

# %% What is lost from train to test, what it gets wrong, where it looks: all on one page
print(study.path / "report.html")
plt.show()
