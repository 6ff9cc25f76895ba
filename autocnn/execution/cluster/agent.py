"""The agent of a study on another machine: runs the study's tasks in a LocalExecutor there.

It knows no Ray: whatever carries messages calls `exchange`, from one thread, again and again. An
agent that nobody has called for its lease ends itself and all of its processes: the study that
sent it has ended, or cannot reach it and has given its tasks to others.
"""

import contextlib
import getpass
import hashlib
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from autocnn.core.atomic import replacing
from autocnn.core.errors import StudyError
from autocnn.core.events import Warnings
from autocnn.core.extras import installed_version
from autocnn.core.records import EpochScore
from autocnn.execution.cluster.messages import (
    Answer,
    Begin,
    Cancel,
    CheckStorage,
    Command,
    EndReport,
    EpochReport,
    HasImages,
    Hello,
    Leave,
    Offer,
    Piece,
    Report,
    StorageReport,
    Unusable,
)
from autocnn.execution.cluster.names import is_named_by, locate_task
from autocnn.execution.executor import EndEvent, EpochEvent, Event, Executor, Outcome
from autocnn.execution.gpus import inspect_machine
from autocnn.execution.local import PRELOAD, LocalExecutor
from autocnn.execution.machine import Resources, share_machine
from autocnn.execution.runner import run_one
from autocnn.execution.tasks import GpusResult, GpusTask, Task

PACKAGES = ("ray", "tensorflow", "keras", "autocnn")
"""Whose versions must be those of the study."""

LOG_NAME = "log.txt"

FOLDER, LOCK = "agent-", ".lock"
"""The folder of an agent, and the file in it that the agent holds as long as it lives."""

MOST_LOG = 256 * 1024
"""Bytes of a log that one report carries; of more, the middle is left out."""

IMAGES_KEPT_S = 3 * 24 * 3600.0
"""Images that no agent of a machine has used for so long are deleted there."""

YOUNG_S = 60.0
"""The folder of an agent that starts is not locked yet: others leave it alone for so long."""


@dataclass(frozen=True)
class AgentOptions:
    """What an agent is told before its first command.

    Attributes:
        num_cpus: Most processors that it may use; None: all that the machine lets it have.
        share: Part of the machine's memory that it may use.
        most_workers: Tasks that there are at once on all machines together; None: many.
        threads, precision, memory_limit_gb: As asked for; see `share_machine`.
        lease_s: Seconds without a call after which it ends itself while tasks run.
        idle_s: The same while none runs.
        keep_every_s: Seconds between two checkpoints of a task that travel in messages.
        preload: Modules that its processes import before their tasks.
    """

    num_cpus: int | None = None
    share: float = 1.0
    most_workers: int | None = None
    threads: int | None = None
    precision: str = "auto"
    memory_limit_gb: float | None = None
    lease_s: float = 60.0
    idle_s: float = 900.0
    keep_every_s: float = 60.0
    preload: Sequence[str] = PRELOAD


@dataclass
class _Submission:
    """A task under way.

    Attributes:
        begin: The command that started it.
        key: Its number in the executor.
        folder: Where its files stand.
        task: With paths of this machine.
        kept: The clock when its checkpoint was last sent.
        log_end: Bytes of its log that were sent.
        is_stopped: Whether it was told to end early.
    """

    begin: Begin
    key: int
    folder: Path
    task: Task
    kept: float
    log_end: int = 0
    is_stopped: bool = False


class Agent:
    """Does what a study commands, and reports what became of it.

    Args:
        options: How it shares its machine.
        clock: Seconds now.
        make_executor: What runs the tasks; local processes when None.
    """

    def __init__(
        self,
        options: AgentOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        make_executor: Callable[[Resources], Executor] | None = None,
    ) -> None:
        self.options = options
        self._clock = clock
        self._submissions: dict[str, _Submission] = {}
        self._images: dict[str, Path] = {}
        self._digests: dict[str, Any] = {}  # of images that are still coming
        self._unsent: list[Report] = []
        self._num_begun = 0
        self._place = scratch_dir()
        self._place.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(self._place)
        self._scratch = Path(tempfile.mkdtemp(prefix=FOLDER, dir=self._place))
        self._lock = FileLock(self._scratch / LOCK)  # let go of however this process ends
        self._lock.acquire()
        hello = self._greet()
        self._unsent.append(hello)
        self._executor = (make_executor or self._local_executor)(hello.resources)
        self._called = clock()
        self._is_called = False

    def exchange(self, commands: Iterable[Command], wait_s: float) -> list[Report]:
        """Do what is commanded, then tell what happened.

        Args:
            commands: In their order.
            wait_s: Most seconds to wait for something to happen.
        """
        self._is_called = True
        try:
            for command in commands:
                self._do(command)
            deadline = self._clock() + wait_s
            while not self._unsent:
                left_s = max(0.0, deadline - self._clock())
                for event in self._executor.poll(left_s):
                    self._take(event)
                if left_s == 0.0:
                    break
            reports, self._unsent = self._unsent, []
            return reports
        finally:
            self._called = self._clock()
            self._is_called = False

    @property
    def is_forgotten(self) -> bool:
        """Whether its lease has run out."""
        lease_s = self.options.lease_s if self._submissions else self.options.idle_s
        return not self._is_called and self._clock() - self._called > lease_s

    def watch(self) -> None:
        """From now on, a thread ends this whole process when the lease has run out."""
        every_s = min(1.0, self.options.lease_s / 4)

        def look() -> None:
            while not self.is_forgotten:
                time.sleep(every_s)
            self.end_process()

        threading.Thread(target=look, daemon=True).start()

    def end_process(self) -> None:
        """End this process and all that it started, whatever they are in the midst of."""
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
        shutil.rmtree(self._scratch, ignore_errors=True)
        os._exit(1)

    def close(self) -> None:
        """Stop all tasks, and leave nothing on the disk but images."""
        self._executor.close()
        self._submissions.clear()
        self._lock.release()
        shutil.rmtree(self._scratch, ignore_errors=True)

    # -- commands -----------------------------------------------------------------------------

    def _do(self, command: Command) -> None:
        try:
            match command:
                case Offer():
                    self._look_for(command)
                case Piece():
                    self._write_piece(command)
                case Begin():
                    self._begin(command)
                case Answer():
                    self._answer(command)
                case Cancel():
                    self._cancel(command.submission)
                case CheckStorage():
                    self._unsent.append(StorageReport(_try_storage(command)))
                case Leave():
                    self.close()
        except (OSError, StudyError) as error:
            self._unsent.append(Unusable(str(error)))

    def _look_for(self, offer: Offer) -> None:
        """Find images that stand here already, or ask for them."""
        kept = self._place / offer.images
        with contextlib.suppress(OSError):
            facts = Path(offer.path).stat()
            if (facts.st_size, facts.st_mtime_ns) == (offer.size, offer.modified_ns):
                self._images[offer.images] = Path(offer.path)
        if offer.images not in self._images and kept.exists():
            os.utime(kept)
            self._images[offer.images] = kept
        are_there = offer.images in self._images
        self._unsent.append(HasImages(offer.images, are_there))

    def _write_piece(self, piece: Piece) -> None:
        """Add a piece of images; with the last one they are whole, or refused."""
        partial = self._scratch / Path(piece.images).name
        if piece.is_first:
            self._digests[piece.images] = hashlib.sha256()
        self._digests[piece.images].update(piece.content)
        with partial.open("wb" if piece.is_first else "ab") as file:
            file.write(piece.content)
        if not piece.is_last:
            return
        if not is_named_by(self._digests.pop(piece.images).hexdigest(), piece.images):
            partial.unlink()
            raise OSError(f"{partial}: must hold the images that were sent, got others")
        kept = self._place / piece.images
        kept.parent.mkdir(exist_ok=True)
        partial.replace(kept)
        self._images[piece.images] = kept
        self._unsent.append(HasImages(piece.images, are_there=True))

    def _begin(self, begin: Begin) -> None:
        folder = Path(begin.folder) if begin.folder else self._scratch / begin.submission
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in begin.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(content)
        for name in begin.writes:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        images = self._images[begin.images] if begin.images is not None else None
        if images is not None and images.is_relative_to(self._place):
            os.utime(images)  # in use, however long the study takes
        task = locate_task(begin.task, folder, images)
        self._num_begun += 1
        submission = _Submission(begin, self._num_begun, folder, task, self._clock())
        self._submissions[begin.submission] = submission
        self._executor.submit(
            submission.key,
            begin.function,
            task,
            log_path=folder / LOG_NAME,
            timeout_s=begin.timeout_s,
        )

    def _answer(self, answer: Answer) -> None:
        submission = self._submissions.get(answer.submission)
        if submission is not None:
            submission.is_stopped = answer.stop
            self._executor.answer(submission.key, stop=answer.stop)

    def _cancel(self, number: str) -> None:
        submission = self._submissions.pop(number, None)
        if submission is not None:
            self._executor.cancel(submission.key)
            self._unsent.append(self._end_report(submission, None))

    def _local_executor(self, resources: Resources) -> Executor:
        """Processes that have imported what they need.

        Before that a task could not begin, and whoever begins one would wait: for minutes where
        TensorFlow comes over a network, longer than the lease.
        """
        executor = LocalExecutor(
            memory_limit_gb=resources.memory_limit_gb,
            preload=self.options.preload,
            devices=resources.devices,
            is_kill_a_loss=True,
        )
        here = f"{__name__}:{do_nothing.__name__}"
        task = GpusTask(resources.threads)
        outcome = run_one(executor, here, task, log_path=self._scratch / LOG_NAME)
        if outcome.result is None:
            self._unsent.append(Unusable(f"its processes cannot start: {outcome.reason}"))
        return executor

    # -- reports ------------------------------------------------------------------------------

    def _greet(self) -> Hello:
        options = self.options
        warnings = Warnings()
        machine = inspect_machine(warnings)
        machine = replace(
            machine,
            num_cpus=min(options.num_cpus or machine.num_cpus, machine.num_cpus),
            memory_gb=round(machine.memory_gb * options.share, 1),
        )
        resources = share_machine(
            machine,
            trials=options.most_workers,
            workers=None,
            threads=options.threads,
            precision=options.precision,
            memory_limit_gb=options.memory_limit_gb,
            most_workers=machine.num_cpus,  # who has a cluster wants all of it
        )
        versions = installed()
        return Hello(socket.gethostname(), versions, machine, resources, tuple(warnings.said))

    def _take(self, event: Event) -> None:
        submission = next(s for s in self._submissions.values() if s.key == event.key)
        number = submission.begin.submission
        if isinstance(event, EpochEvent):
            files: dict[str, bytes] = {}
            now = self._clock()
            if now - submission.kept >= self.options.keep_every_s:
                submission.kept = now
                files = self._checkpoint(submission)
            self._unsent.append(EpochReport(number, event.score, self._log(submission), files))
        elif isinstance(event, EndEvent):
            del self._submissions[number]
            self._unsent.append(self._end_report(submission, event.outcome))

    def _end_report(self, submission: _Submission, outcome: Outcome | None) -> EndReport:
        """What a submission left; its folder here is deleted."""
        begin = submission.begin
        is_whole = outcome is not None and outcome.result is not None
        names = [name for name in begin.writes if name != begin.checkpoint] if is_whole else []
        if not is_whole or submission.is_stopped:  # it may go on some day
            names += [begin.checkpoint] if begin.checkpoint else []
        paths = {name: submission.folder / name for name in names}
        found = {name: path for name, path in paths.items() if path.exists()}
        left = {name: path.stat().st_size for name, path in found.items()}
        log = self._log(submission)
        files: dict[str, bytes] = {}
        if begin.folder is None:
            files = {name: path.read_bytes() for name, path in found.items()}
            shutil.rmtree(submission.folder, ignore_errors=True)
        return EndReport(begin.submission, outcome, log, files, left)

    def _checkpoint(self, submission: _Submission) -> dict[str, bytes]:
        """The last whole epoch of a submission, if it has to travel and there is one."""
        name = submission.begin.checkpoint
        if submission.begin.folder is not None or name is None:
            return {}
        path = submission.folder / name
        return {name: path.read_bytes()} if path.exists() else {}

    def _log(self, submission: _Submission) -> bytes:
        """What a submission has printed since its last report, its middle left out if long."""
        try:
            with (submission.folder / LOG_NAME).open("rb") as file:
                file.seek(submission.log_end)
                text = file.read()
        except OSError:
            return b""
        submission.log_end += len(text)
        if len(text) <= MOST_LOG:
            return text
        half = MOST_LOG // 2
        return text[:half] + b"\n[...]\n" + text[-half:]


def do_nothing(task: Task, report: Callable[[EpochScore], bool]) -> GpusResult:
    """A task that shows that tasks can begin."""
    return GpusResult()


def installed() -> dict[str, str | None]:
    """Package -> version of what study and agents must have alike; Python's among them."""
    python = ".".join(map(str, sys.version_info[:2]))
    return {"python": python, **{package: installed_version(package) for package in PACKAGES}}


def scratch_dir() -> Path:
    """Where agents of this user keep their files on this machine; TMPDIR moves it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's, that no file of users knows
        user = str(psutil.Process().uids().real)
    return Path(tempfile.gettempdir()) / f"autocnn-agents-{user}"


def _try_storage(check: CheckStorage) -> str:
    """What is wrong with a shared folder, seen from here; empty when nothing is."""
    folder = Path(check.folder)
    if not (folder / check.token).exists():
        return f"{folder}: must be the same folder on all nodes, got another one or none"
    try:
        with replacing(folder / f"{check.token}-{socket.gethostname()}-{os.getpid()}") as file:
            file.write(b"")
    except StudyError as error:
        return error.message
    (folder / f"{check.token}-{socket.gethostname()}-{os.getpid()}").unlink(missing_ok=True)
    return ""


def _remove_leftovers(place: Path) -> None:
    """Delete what agents left that were killed, and images that nobody has used for long."""
    for folder in place.glob(f"{FOLDER}*"):
        with contextlib.suppress(OSError, Timeout):
            if time.time() - folder.stat().st_mtime > YOUNG_S:
                with FileLock(folder / LOCK, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
    for path in place.glob("images/*.npy"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > IMAGES_KEPT_S:
                path.unlink()
