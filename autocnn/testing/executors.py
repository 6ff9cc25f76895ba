"""What the runner relies on, whatever runs the tasks."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from autocnn.core.errors import ConfigError
from autocnn.core.records import EpochScore, Scores, TrialState
from autocnn.execution.executor import EndEvent, EpochEvent, Executor, Outcome
from autocnn.execution.tasks import WeightsResult, WeightsTask

HERE = "autocnn.testing.executors"
"""Where workers find the functions below."""

PATIENCE_S = 60.0
"""A worker that says nothing for so long never will."""

Report = Callable[[EpochScore], bool]


def _epoch(number: int) -> EpochScore:
    scores = Scores(accuracy=0.5)
    return EpochScore(epoch=number, train_loss=1.0, val=scores, learning_rate=1e-3, seconds=0.1)


def count_to_three(task: WeightsTask, report: Report) -> WeightsResult:
    """Three epochs, or fewer when it is told to stop."""
    for number in (1, 2, 3):
        if report(_epoch(number)):
            return WeightsResult((f"stopped after {number}",))
    return WeightsResult(("all", *task.backbones))


def print_and_fail(task: WeightsTask, report: Report) -> WeightsResult:
    """A bug."""
    print("some output", flush=True)  # noqa: T201 - it shows that the log gets it
    raise ZeroDivisionError("a bug\nof two lines")


def fail_in_words(task: WeightsTask, report: Report) -> WeightsResult:
    """An error for the user."""
    raise ConfigError("the rule, got x.")


def run_out_of_memory(task: WeightsTask, report: Report) -> WeightsResult:
    """What Python raises without memory."""
    raise MemoryError


def hang(task: WeightsTask, report: Report) -> WeightsResult:
    """An epoch, and then nothing any more."""
    report(_epoch(1))
    time.sleep(10 * PATIENCE_S)
    raise AssertionError


class ExecutorContract(ABC):
    """The tests of an executor; see `autocnn.testing`."""

    @abstractmethod
    def make_executor(self) -> Executor:
        """An executor with at least two workers."""

    def submit(
        self,
        executor: Executor,
        function: str,
        place: Path,
        *,
        key: int = 0,
        timeout_s: float | None = None,
    ) -> None:
        """Give it a function of this module."""
        executor.submit(
            key,
            f"{HERE}:{function}",
            WeightsTask(("a", "b"), 8, ""),
            log_path=place / f"log-{key}.txt",
            timeout_s=timeout_s,
        )

    def run(
        self, function: str, place: Path, *, stop_after: int = 99, timeout_s: float | None = None
    ) -> tuple[list[int], Outcome]:
        """The epochs of one task, and its end."""
        executor = self.make_executor()
        epochs: list[int] = []
        try:
            self.submit(executor, function, place, timeout_s=timeout_s)
            assert executor.num_running == 1
            waited_s = 0.0
            while waited_s < PATIENCE_S:
                events = executor.poll(0.2)
                waited_s = 0.0 if events else waited_s + 0.2
                for event in events:
                    assert event.key == 0
                    if isinstance(event, EndEvent):
                        assert executor.num_running == 0
                        return epochs, event.outcome
                    epochs.append(event.score.epoch)
                    executor.answer(0, stop=event.score.epoch >= stop_after)
        finally:
            executor.close()
        raise AssertionError("the task never ended")

    def test_epochs_come_in_order_and_then_the_result(self, tmp_path: Path) -> None:
        """Each waits for its answer."""
        epochs, outcome = self.run("count_to_three", tmp_path)
        assert epochs == [1, 2, 3]
        assert (outcome.state, outcome.reason) == (TrialState.COMPLETE, "")
        assert outcome.result == WeightsResult(("all", "a", "b"))
        assert outcome.seconds > 0

    def test_a_task_that_is_told_to_stop_ends_after_its_epoch(self, tmp_path: Path) -> None:
        """And ends well."""
        epochs, outcome = self.run("count_to_three", tmp_path, stop_after=2)
        assert epochs == [1, 2]
        assert outcome.result == WeightsResult(("stopped after 2",))

    def test_a_bug_is_a_failure_with_its_traceback(self, tmp_path: Path) -> None:
        """The reason is one line; what was printed is in the log."""
        _, outcome = self.run("print_and_fail", tmp_path)
        assert (outcome.state, outcome.reason) == (TrialState.FAILED, "ZeroDivisionError: a bug")
        assert "print_and_fail" in outcome.traceback
        assert outcome.error is None
        assert "some output" in (tmp_path / "log-0.txt").read_text()

    def test_an_error_for_the_user_arrives_as_it_is(self, tmp_path: Path) -> None:
        """Class and words."""
        _, outcome = self.run("fail_in_words", tmp_path)
        assert isinstance(outcome.error, ConfigError)
        assert outcome.reason == "the rule, got x."

    def test_want_of_memory_is_told_from_other_failures(self, tmp_path: Path) -> None:
        """The runner tries it with half the batch."""
        _, outcome = self.run("run_out_of_memory", tmp_path)
        assert outcome.state == TrialState.OUT_OF_MEMORY

    def test_a_task_that_hangs_is_stopped_in_time(self, tmp_path: Path) -> None:
        """Its epochs have arrived before."""
        epochs, outcome = self.run("hang", tmp_path, timeout_s=1.0)
        assert epochs in ([], [1])
        assert outcome.state == TrialState.TIMED_OUT
        assert outcome.reason

    def test_tasks_run_at_once_and_each_has_one_end(self, tmp_path: Path) -> None:
        """Whatever the order of the events."""
        executor = self.make_executor()
        ends: list[int] = []
        epochs: dict[int, list[int]] = {1: [], 2: []}
        try:
            for key in epochs:
                self.submit(executor, "count_to_three", tmp_path, key=key)
            waited_s = 0.0
            while executor.num_running and waited_s < PATIENCE_S:
                events = executor.poll(0.2)
                waited_s = 0.0 if events else waited_s + 0.2
                for event in events:
                    if isinstance(event, EpochEvent):
                        epochs[event.key].append(event.score.epoch)
                        executor.answer(event.key, stop=False)
                    else:
                        ends.append(event.key)
        finally:
            executor.close()
        assert sorted(ends) == [1, 2]
        assert epochs == {1: [1, 2, 3], 2: [1, 2, 3]}

    def test_a_cancelled_task_says_nothing_more(self, tmp_path: Path) -> None:
        """Its key is free at once."""
        executor = self.make_executor()
        try:
            self.submit(executor, "hang", tmp_path)
            executor.cancel(0)
            assert executor.num_running == 0
            assert executor.poll(0.2) == []
            self.submit(executor, "count_to_three", tmp_path)
            assert executor.num_running == 1
        finally:
            executor.close()
        assert executor.num_running == 0
