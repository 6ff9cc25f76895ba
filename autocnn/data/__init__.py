"""Data: from a folder, table, .npz or built-in set to split, audited, decoded images.

DATA -- sources --> ImageTable -- arrays --> DecodedImages, one per image size
                               -- copies --> Copies, bundles
                               -- facts, shortcuts
                               -- split ---> Split
                               -- audit ---> AuditReport      all of it: Dataset
"""

from autocnn.data.arrays import DecodedImages, choose_image_size, decode_images, find_decoded
from autocnn.data.audit.copies import bundle_images, find_copies
from autocnn.data.columns import values_by
from autocnn.data.correction import check_split_file, correct_split, write_split
from autocnn.data.dataset import Dataset, prepare_data
from autocnn.data.decode import decode_image
from autocnn.data.sources.open import find_images, read_source
from autocnn.data.table import FoundImages, ImageTable

__all__ = [
    "Dataset",
    "DecodedImages",
    "FoundImages",
    "ImageTable",
    "bundle_images",
    "check_split_file",
    "choose_image_size",
    "correct_split",
    "decode_image",
    "decode_images",
    "find_copies",
    "find_decoded",
    "find_images",
    "prepare_data",
    "read_source",
    "values_by",
    "write_split",
]
