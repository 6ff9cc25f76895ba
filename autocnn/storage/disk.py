"""Free space on the disk: a study stops cleanly before there is none."""

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from autocnn.core.errors import DiskFullError, Text
from autocnn.storage import StudyFolder

SMALLEST_FREE_GB = 0.2
"""Checkpoints and models of a few small trials, written beside the old ones, need no more."""

CHECKPOINTS_PER_WORKER = 2
"""What a worker may write before the next look, in checkpoints of the largest size so far: one
beside the old one, and a model, which is smaller. That of a ResNet50V2 has half a GB."""

LOOK_EVERY_S = 10.0

WALKED_SHARE = 0.02
"""The sizes of a study's files are added up again after so long that it takes this share of the
time: with 10,000 trials on a network drive it takes a minute."""


@dataclass
class DiskGuard:
    """Looks at the free space, now and then.

    Attributes:
        folder: The study.
        limit_gb: Size that its folder may reach, GB.
        workers: Trials at once.
        clock: Seconds now.
    """

    folder: StudyFolder
    limit_gb: float
    workers: int = 1
    clock: Callable[[], float] = time.monotonic
    looked: float = field(default=float("-inf"), init=False)
    next_walk: float = field(default=float("-inf"), init=False)
    sizes_gb: tuple[float, float] = field(default=(0.0, 0.0), init=False)

    def check(self) -> None:
        """Look, unless it was done just now.

        Raises:
            DiskFullError: When the disk is nearly full, or the study's share of it used up.
        """
        if self.clock() - self.looked < LOOK_EVERY_S:
            return
        self.looked = self.clock()
        free_gb = shutil.disk_usage(self.folder.path).free / 1e9
        resume = self.folder.resume_command()
        if self.looked >= self.next_walk:
            self.sizes_gb = self.folder.sizes_gb()
            ended = self.clock()
            self.next_walk = ended + (ended - self.looked) / WALKED_SHARE
        size_gb, largest_gb = self.sizes_gb
        needed_gb = max(SMALLEST_FREE_GB, CHECKPOINTS_PER_WORKER * self.workers * largest_gb)
        if free_gb < needed_gb:
            raise DiskFullError(
                f"{self.folder.path}: the disk must have {needed_gb * 1e3:.0f} MB of free "
                f"space, got {free_gb * 1e3:.0f} MB. The study was stopped, and nothing is lost.",
                remedy=f"Free some space, then go on with `{resume}`.",
            )
        if size_gb > self.limit_gb:
            raise DiskFullError(
                Text(
                    "{0}: the study may take {1:g} GB ({disk_limit}), got {2:.3g} GB. It was "
                    "stopped, and nothing is lost.",
                    self.folder.path,
                    self.limit_gb,
                    size_gb,
                ),
                remedy=f"Go on with `{resume} --disk-limit {math.ceil(20 * size_gb) / 10:g}GB`.",
            )
