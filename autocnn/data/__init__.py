"""Data: from a folder, CSV, .npz or built-in set to split, audited, decoded images.

DATA -- sources --> ImageTable -- arrays --> DecodedImages, one per image size
                               -- split ---> Split
                               -- audit ---> AuditReport      all of it: Dataset
"""

from autocnn.data.arrays import DecodedImages, choose_image_size, decode_images
from autocnn.data.audit import AuditReport, LabelConflict, UnreadableImage, audit
from autocnn.data.dataset import Dataset, prepare_data
from autocnn.data.decode import decode_image
from autocnn.data.sources import read_source
from autocnn.data.split import Split, make_split
from autocnn.data.table import ImageTable

__all__ = [
    "AuditReport",
    "Dataset",
    "DecodedImages",
    "ImageTable",
    "LabelConflict",
    "Split",
    "UnreadableImage",
    "audit",
    "choose_image_size",
    "decode_image",
    "decode_images",
    "make_split",
    "prepare_data",
    "read_source",
]
