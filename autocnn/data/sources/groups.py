"""Which images are of one patient, scan or video: as names say, or the headers of DICOM."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from autocnn.core.errors import DataError, Text
from autocnn.core.wording import count, first_few
from autocnn.data.decode import pillow_quiet
from autocnn.data.dicom import Identity, group_by_patient, naming_paths, read_identity
from autocnn.data.image_files import is_dicom_file
from autocnn.data.sources.names import NamePattern
from autocnn.data.table import FileImages, FoundImages


def group_by_name(found: FoundImages, regex: str) -> FoundImages:
    """Give images groups by their names, in the place of all other groups.

    Args:
        found: The images.
        regex: Catches the group, see `NamePattern`; what it does not match is in no group.

    Raises:
        DataError: When it matches no name.
    """
    groups = tuple(map(NamePattern(regex).find, found.paths))
    named = [group for group in groups if group is not None]
    if not named:
        raise DataError(
            Text(
                "{group_from_name} must match the names of the images, got none of {0:,} that it "
                "matches: {1}.",
                len(groups),
                first_few(found.paths),
            ),
            remedy="It is searched in the name of each file; with a / in it, in its path.",
        )
    note = f"{count(len(set(named)), 'group')} from names by --group-from-name"
    if len(named) < len(groups):
        without = [p for p, group in zip(found.paths, groups, strict=True) if group is None]
        note += f"; {count(len(without), 'image')} in none: {first_few(without)}"
    return replace(found, groups=groups, notes=(*found.notes, f"{note}."))


def group_by_headers(found: FoundImages, hashes: Sequence[str], threads: int) -> FoundImages:
    """Give images the groups that DICOM headers tell, where none are given; note who is named.

    Args:
        found: The images.
        hashes: (n,) SHA-256 of each file; empty where it cannot be read.
        threads: To read with.

    Raises:
        DataError: When a file can be read no longer.
        MissingExtraError: When there is DICOM, and pydicom is not installed.
    """
    if not isinstance(found.images, FileImages):
        return found
    files = {
        place: file
        for place, path in enumerate(found.paths)
        if hashes[place] and is_dicom_file(file := found.images.open(path, place))
    }
    if not files:
        return found
    identities = _read(files, threads)
    notes = list(found.notes)
    if not any(found.groups):
        groups = group_by_patient(identities, key=_key(files, hashes))
        if groups:
            found = replace(
                found, groups=tuple(groups.get(place) for place in range(len(found.paths)))
            )
            of = "patients" if next(iter(groups.values())).startswith("patient") else "series"
            notes.append(
                f"{count(len(set(groups.values())), 'group')} from the {of} that the DICOM files "
                "name; the study keeps hashes of them only. Otherwise: --group-from-name."
            )
    burned = sum(one.is_burned_in for one in identities.values())
    if burned:
        notes.append(
            f"Names are drawn into images, by the headers of {count(burned, 'file')}; the pictures "
            "of a report may show them."
        )
    naming = naming_paths(found.paths, identities)
    if naming:
        notes.append(
            f"The id of the patient stands in {count(naming, 'file name')}; a study keeps the "
            "names of files."
        )
    return replace(found, notes=tuple(notes))


def _key(files: Mapping[int, Path], hashes: Sequence[str]) -> bytes:
    """What keeps patients from being found by trying all ids: the whole content of one file.

    A study keeps hashes of files, by which nobody can compute it.
    """
    digest = hashlib.blake2b("\n".join(sorted(hashes)).encode(), digest_size=32)
    file = files[min(files, key=lambda place: hashes[place])]
    try:
        digest.update(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file}: must stay readable, got: {error.strerror}.") from error
    return digest.digest()


def _read(files: Mapping[int, Path], threads: int) -> dict[int, Identity]:
    with pillow_quiet(), ThreadPoolExecutor(threads) as pool:
        found = zip(files, pool.map(read_identity, files.values()), strict=True)
        return {place: one for place, one in found if one is not None}
