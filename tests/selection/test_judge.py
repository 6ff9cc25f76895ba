"""The choice falls before test is opened, once; then the candidates are made and measured."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autocnn.core.config import Prefer
from autocnn.core.errors import DiskFullError, SearchError
from autocnn.core.records import REFIT, TrialState
from autocnn.execution.executor import Outcome
from autocnn.execution.tasks import BatchedTask, CandidateTask, PredictionTask
from autocnn.selection.compare import Contender, rank_contenders
from autocnn.selection.judge import judge
from autocnn.selection.plan import Finalist, FinalistsPlan
from autocnn.selection.retrain import retrain
from autocnn.storage.status import Choice
from autocnn.training.measurements import Measurements
from tests.selection.studies import NUM_WEIGHTS, Selection, make_finalists, name_of

FAILURE = Outcome(TrialState.FAILED, 1.0, "ValueError: no")


def prepare(selection: Selection, plan: FinalistsPlan) -> list[Finalist]:
    """The finalists, retrained; what was done for that is forgotten."""
    finalists = retrain(plan, selection.executor, selection.folder, selection.observer)
    selection.executor.tasks.clear()
    selection.observer.stages.clear()
    selection.observer.steps = 0
    return finalists


def run(
    selection: Selection, plan: FinalistsPlan, finalists: list[Finalist]
) -> tuple[list[tuple[Contender, Measurements]], list[Choice]]:
    """What was judged, and the choices with which test was opened."""
    choices: list[Choice] = []

    def open_test(choice: Choice) -> None:
        assert not made(selection)
        assert not asked_of_test(selection)
        choices.append(choice)

    judged = judge(
        plan,
        finalists,
        selection.executor,
        selection.folder,
        selection.observer,
        open_test=open_test,
    )
    return judged, choices


def made(selection: Selection) -> dict[int, CandidateTask]:
    """The candidates that were made, by number."""
    tasks = [task for task in selection.executor.tasks if isinstance(task, CandidateTask)]
    return {int(task.model_path.parent.name): task for task in tasks}


def asked_of_test(selection: Selection) -> list[str]:
    """The models that predicted test, in order, as `name_of` has them."""
    names = [name_of(task) for task in selection.executor.tasks]
    return [name.removeprefix("test ") for name in names if name.startswith("test ")]


def test_test_is_opened_once_after_the_choice(selection: Selection) -> None:
    selection.executor.skill = {7: 0.9, 0: 0.6}
    plan = selection.plan(make_finalists(7, 0))
    judged, choices = run(selection, plan, prepare(selection, plan))
    assert len(choices) == 1
    assert choices[0].candidate == 1
    assert choices[0].sentences[0].startswith("Candidate 1 (the refit of trial 7, 1,000 weights)")
    assert (judged[0][0].kind, judged[0][0].leader.number) == ("refit", 7)
    kinds = [type(task) for task in selection.executor.tasks]
    num_models = len(asked_of_test(selection))
    assert kinds == [PredictionTask] * (2 + num_models) + [CandidateTask] * len(judged)
    assert selection.observer.stages == [
        ("compare the finalists", 2),
        ("predict test", num_models),
        ("judge the candidates on test", len(judged)),
    ]
    assert selection.observer.steps == 2 + num_models + len(judged)


def test_each_model_is_asked_once_for_all_candidates(selection: Selection) -> None:
    """Anew only for images of another size: an ensemble has those of its largest member."""
    plan = selection.plan((*make_finalists(7), *make_finalists(0, image_size=12)), num_folds=0)
    judged, _ = run(selection, plan, prepare(selection, plan))
    assert [len(contender.models) for contender, _ in judged] == [2, 1, 1]
    assert sorted(asked_of_test(selection)) == ["0 refit", "7 refit", "7 refit"]
    sides = {}
    for task in selection.executor.tasks:
        if isinstance(task, PredictionTask) and len(task.predictions[0].disturbed):
            (one,) = task.predictions
            sides[one.probabilities_path] = task.images.open().shape[1]
            assert one.rows.tolist() == plan.dataset.indices("test").tolist()
            assert task.seed == plan.seed
    assert sorted(sides.values()) == [8, 12, 12]
    for task in made(selection).values():
        for member in task.members:
            assert sides[member.predicted_path] == task.images.open().shape[1]
            assert not member.predicted_path.exists(), "what is no longer needed is removed"


@pytest.mark.parametrize("prefer", ["score", "simple"])
def test_the_choice_is_made_as_the_plan_prefers(
    selection: Selection, prefer: Prefer, monkeypatch: pytest.MonkeyPatch
) -> None:
    preferred = []

    def rank(*arguments: Any, **options: Any) -> Any:
        preferred.append(options["prefer"])
        return rank_contenders(*arguments, **options)

    monkeypatch.setattr("autocnn.selection.judge.rank_contenders", rank)
    plan = replace(selection.plan(make_finalists(7, 0)), prefer=prefer)
    run(selection, plan, prepare(selection, plan))
    assert set(preferred) == {prefer}


def test_the_chosen_is_trained_again_and_averaged(selection: Selection) -> None:
    selection.executor.skill = {7: 0.9, 0: 0.6}
    plan = selection.plan(make_finalists(7, 0), members=3)
    judged, (choice,) = run(selection, plan, prepare(selection, plan))
    assert [(c.kind, c.leader.number) for c, _ in judged[:2]] == [("refits", 7), ("refit", 7)]
    assert {c.kind for c, _ in judged if c.leader.number == 0} == {"refit", "folds"}
    names = [member.path.parent.name for member in made(selection)[1].members]
    assert names == ["refit", "refit-2", "refit-3"]
    assert "Candidate 1 (the mean of 3 refits of trial 7, 3,000 weights)" in choice.sentences[0]
    assert selection.observer.stages[1] == ("train 3 refits of the best, to average them", 6)


@pytest.mark.parametrize(
    ("params", "mirrored"),
    [
        ({}, True),
        ({"flip": "both"}, True),
        ({"flip": "vertical"}, False),
        ({"flip": "none"}, False),
        ({"flip": "horizontal", "family": "frozen"}, False),
    ],
)
def test_models_that_were_trained_on_mirror_images_are_asked_for_both(
    selection: Selection, params: dict[str, Any], mirrored: bool
) -> None:
    plan = selection.plan(make_finalists(7, **params))
    run(selection, plan, prepare(selection, plan))
    asked = [t for t in selection.executor.tasks if isinstance(t, PredictionTask)]
    assert {one.mirrored for task in asked for one in task.predictions} == {mirrored}
    assert {one.mirrored for task in made(selection).values() for one in task.members} == {mirrored}


def test_a_mean_has_the_temperature_of_a_mean_in_the_model(
    selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autocnn.metrics.ensembles.FEWEST_IMAGES", 10)
    selection.executor.skill = {7: 0.85, 0: 0.8}
    plan = selection.plan(make_finalists(7, 0), members=3)
    judged, _ = run(selection, plan, prepare(selection, plan))
    for task, (contender, _) in zip(made(selection).values(), judged, strict=True):
        is_mean = len(task.members) > 1
        assert (contender.sharpening < 1.0) == is_mean
        assert task.temperature == contender.temperature * contender.sharpening
        assert task.has_temperature == (contender.kind == "ensemble")


def test_before_the_choice_no_model_sees_test_and_fold_models_what_they_have_not_seen(
    selection: Selection,
) -> None:
    plan = selection.plan(make_finalists(7), num_folds=2)
    run(selection, plan, prepare(selection, plan))
    task = selection.executor.tasks[0]
    assert isinstance(task, PredictionTask)
    asked = {
        str(one.model_path.relative_to(selection.folder.path)): one.rows.tolist()
        for one in task.predictions
        if "trials" not in one.model_path.parts
    }
    assert asked == {
        f"finalists/0007/fold-{fold.number}/model.keras": fold.held_out.tolist()
        for fold in plan.folds
    }
    own = [one.rows.tolist() for one in task.predictions if "trials" in one.model_path.parts]
    assert own == [plan.dataset.indices(split).tolist() for split in ("train", "val")]


def test_finalists_get_their_predictions_in_the_order_of_the_folds(selection: Selection) -> None:
    selection.executor.skill = {7: 0.75}
    plan = selection.plan(make_finalists(7), num_folds=3)
    judged, _ = run(selection, plan, prepare(selection, plan))
    finalist = judged[0][0].leader
    held = plan.held()
    assert finalist.predictions["folds"].shape == (36, 2)
    assert held.fold_sizes == (12, 12, 12)
    is_right = finalist.predictions["folds"].argmax(axis=1) == held.labels
    assert is_right.reshape(3, 12).mean(axis=1) == pytest.approx([0.75] * 3)
    assert finalist.predictions["train"].shape == (36, 2)
    assert finalist.predictions["val"].shape == (12, 2)


def test_a_refit_and_the_mean_of_the_folds_are_made_of_their_models(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7), num_folds=3)
    judged, _ = run(selection, plan, prepare(selection, plan))
    tasks = made(selection)
    for number, (contender, _) in enumerate(judged, start=1):
        task = tasks[number]
        names = [member.path.parent.name for member in task.members]
        folds = ["fold-1", "fold-2", "fold-3"]
        assert names == {"refit": ["refit"], "folds": folds}[contender.kind]
        shares = [member.weight for member in task.members]
        assert shares == pytest.approx([1 / len(shares)] * len(shares))
        assert {member.temperature for member in task.members} == {contender.own_temperature}
        assert (task.has_temperature, task.temperature) == (False, 1.0)
    assert [contender.kind for contender, _ in judged] == ["refit", "folds"]


def test_an_ensemble_averages_refits_at_their_temperatures(selection: Selection) -> None:
    selection.executor.skill = dict.fromkeys((7, 8, 9), 0.85)
    plan = selection.plan(make_finalists(7, 8, 9), num_folds=2)
    judged, _ = run(selection, plan, prepare(selection, plan))
    number, contender = next(
        (number, contender)
        for number, (contender, _) in enumerate(judged, start=1)
        if contender.kind == "ensemble"
    )
    task = made(selection)[number]
    assert task.has_temperature
    assert task.temperature == contender.temperature * contender.sharpening
    assert len(task.members) == len(contender.finalists) > 1
    assert sum(member.weight for member in task.members) == pytest.approx(1.0)
    for member, finalist, temperature in zip(
        task.members, contender.finalists, contender.temperatures, strict=True
    ):
        assert member.path == selection.folder.retrained_model_path(finalist.number, REFIT)
        assert member.temperature == temperature


def test_each_candidate_is_judged_on_the_images_that_it_takes(selection: Selection) -> None:
    (small,), (large,) = make_finalists(7), make_finalists(8, image_size=12)
    selection.executor.skill = {7: 0.85, 8: 0.85}
    plan = selection.plan((small, large), num_folds=2)
    judged, _ = run(selection, plan, prepare(selection, plan))
    for number, (contender, _) in enumerate(judged, start=1):
        side = made(selection)[number].images.open().shape[1]
        assert side == max({7: 8, 8: 12}[finalist.number] for finalist in contender.finalists)


def test_what_is_measured_is_the_same_for_all(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7, 0))
    judged, _ = run(selection, plan, prepare(selection, plan))
    one, *others = made(selection).values()
    dataset = plan.dataset
    assert one.test_rows.tolist() == dataset.indices("test").tolist()
    assert one.val_rows.tolist() == dataset.indices("val").tolist()
    assert set(one.reference_rows.tolist()) <= set(dataset.indices("train").tolist())
    for other in others:
        for name in ("test_rows", "val_rows", "reference_rows", "disturbed", "explained"):
            np.testing.assert_array_equal(getattr(other, name), getattr(one, name))
    for contender, measured in judged:
        assert measured.test.shape == (12, 2)
        assert measured.num_weights == contender.num_weights
        assert measured.num_weights == NUM_WEIGHTS * len(contender.models)


def test_without_folds_there_are_an_ensemble_and_refits_in_the_order_of_val(
    selection: Selection,
) -> None:
    plan = selection.plan(make_finalists(7, 0), num_folds=0)
    judged, (choice,) = run(selection, plan, prepare(selection, plan))
    kinds = [(contender.kind, len(contender.models)) for contender, _ in judged]
    assert kinds == [("ensemble", 2), ("refit", 1), ("refit", 1)]
    assert [contender.leader.number for contender, _ in judged[1:]] == [7, 0]
    assert judged[0][0].leader.predictions["folds"].shape == (0, 2)
    assert choice.sentences == (
        "Candidate 1 (the ensemble of trials 7 and 0) has the smallest log loss on val. It was not "
        "compared on folds, so this may be luck.",
    )


def test_a_trial_s_own_model_is_a_candidate_where_its_refit_was_lost(selection: Selection) -> None:
    selection.executor.ends = {"train 7 fold 0": FAILURE}
    plan = selection.plan(make_finalists(7, 0), num_folds=0)
    judged, _ = run(selection, plan, prepare(selection, plan))
    paths = [[member.path for member in task.members] for task in made(selection).values()]
    own = selection.folder.trial_model_path(7)
    refit = selection.folder.retrained_model_path(0, REFIT)
    assert paths == [[own, refit], [own], [refit]], "the ensemble is made of both"
    assert [contender.leader.is_retrained for contender, _ in judged[1:]] == [False, True]


def test_judging_that_was_stopped_goes_on(selection: Selection) -> None:
    selection.executor.skill = {7: 0.9, 0: 0.6}
    selection.executor.ends = {"make 3": FAILURE}
    plan = selection.plan(make_finalists(7, 0), workers=1)
    finalists = prepare(selection, plan)
    with pytest.raises(SearchError):
        run(selection, plan, finalists)
    before = made(selection)
    assert {1, 2, 3} <= set(before)

    selection.executor.ends = {}
    selection.executor.tasks.clear()
    selection.folder.candidate_model_path(2).unlink()  # as if killed before it was whole
    judged, choices = run(selection, plan, finalists)
    missing = [2, *range(3, len(judged) + 1)]
    assert sorted(made(selection)) == missing
    assert (
        len(asked_of_test(selection))
        == len(set(asked_of_test(selection)))
        == len({member.path for number in missing for member in made(selection)[number].members})
    ), "what the others need, and only that"
    assert len(choices) == 1
    assert [measured.test.shape for _, measured in judged] == [(12, 2)] * len(judged)


@pytest.mark.parametrize("name", ["predict 7", "test 7 refit", "make 1"])
def test_want_of_memory_halves_what_is_predicted_at_once(selection: Selection, name: str) -> None:
    plan = selection.plan(make_finalists(7), num_folds=0)
    finalists = prepare(selection, plan)
    selection.executor.ends = {name: Outcome(TrialState.OUT_OF_MEMORY, 1.0, "needed too much")}
    judged, _ = run(selection, plan, finalists)
    assert len(judged) == 1
    tasks = [task for task in selection.executor.tasks if isinstance(task, BatchedTask)]
    halves = [task.half_batch for task in tasks if name_of(task) == name]
    assert halves == [False, True]
    whose = "Candidate 1" if name == "make 1" else "Trial 7"
    assert selection.observer.warnings == [
        f"{whose} ran out of memory; it is repeated with half its batch."
    ]


def recipe_of(selection: Selection, number: int) -> str:
    """What the model of a candidate was made of."""
    return selection.executor.recipes[selection.folder.candidate_model_path(number)]


def test_a_candidate_of_before_is_known_by_what_it_is_made_of(selection: Selection) -> None:
    """Two that are nearly equal may have changed places when a study goes on elsewhere."""
    selection.executor.skill = {7: 0.9, 0: 0.6}
    plan = selection.plan(make_finalists(7, 0), num_folds=2)
    finalists = prepare(selection, plan)
    first, _ = run(selection, plan, finalists)
    recipes = {number: task.recipe for number, task in made(selection).items()}

    selection.executor.tasks.clear()
    run(selection, plan, finalists)
    assert made(selection) == {}, "the same are not made again"
    assert asked_of_test(selection) == []

    selection.executor.skill = {7: 0.6, 0: 0.9}
    second, _ = run(selection, plan, finalists)
    assert [c.leader.number for c, _ in second] != [c.leader.number for c, _ in first]
    remade = {number: task.recipe for number, task in made(selection).items()}
    for number, (contender, measured) in enumerate(second, start=1):
        recipe = recipe_of(selection, number)
        assert recipe == measured.recipe == (recipes | remade)[number]
        assert f"{contender.leader.number:04d}/" in recipe


def test_a_kill_between_model_and_measurements_leaves_none_that_fit(selection: Selection) -> None:
    selection.executor.skill = {7: 0.9, 0: 0.6}
    plan = selection.plan(make_finalists(7, 0), num_folds=0)
    finalists = prepare(selection, plan)
    run(selection, plan, finalists)
    swapped = finalists[::-1]
    selection.executor.ends = {"make 1": FAILURE}
    selection.executor.tasks.clear()
    with pytest.raises(SearchError):
        run(selection, plan, swapped)
    selection.folder.candidate_model_path(1).write_text("of the swapped")  # then it was killed
    selection.executor.ends = {}
    selection.executor.tasks.clear()
    run(selection, plan, finalists)
    assert 1 in made(selection)
    assert "0007/" in recipe_of(selection, 1)


@pytest.mark.parametrize(("name", "log"), [("predict 7", "refit"), ("make 1", "01")])
def test_a_model_that_cannot_be_judged_ends_the_study(
    selection: Selection, name: str, log: str
) -> None:
    selection.executor.ends = {name: FAILURE}
    plan = selection.plan(make_finalists(7))
    finalists = prepare(selection, plan)
    message = f"the finalists could not be judged: failed: ValueError: no; see .*/{log}/log.txt"
    with pytest.raises(SearchError, match=message):
        run(selection, plan, finalists)
    assert selection.executor.is_closed


def test_a_full_disk_is_told_as_it_is(selection: Selection) -> None:
    error = DiskFullError("it is full.")
    selection.executor.ends = {"make 1": Outcome(TrialState.FAILED, 1.0, "full", error=error)}
    plan = selection.plan(make_finalists(7))
    finalists = prepare(selection, plan)
    with pytest.raises(DiskFullError, match=re.escape("it is full.")):
        run(selection, plan, finalists)


def test_stopping_while_the_finalists_are_compared_leaves_test_closed(selection: Selection) -> None:
    plan = selection.plan(make_finalists(7, 0))
    finalists = prepare(selection, plan)
    selection.interruption.is_wished = True
    with pytest.raises(KeyboardInterrupt):
        run(selection, plan, finalists)
    assert made(selection) == {}


def test_candidates_that_grad_cam_cannot_open_are_told(selection: Selection) -> None:
    selection.executor.has_maps = False
    plan = selection.plan(make_finalists(7), num_folds=0)
    judged, _ = run(selection, plan, prepare(selection, plan))
    assert selection.observer.warnings == [
        "Candidate 1 has layers that Grad-CAM cannot open: no maps."
    ]
    assert (judged[0][1].maps, judged[0][1].familiarity) == (None, None)


def test_a_contender_predicts_train_and_val_with_its_trials_models(selection: Selection) -> None:
    selection.executor.skill = dict.fromkeys((7, 8), 0.85)
    plan = selection.plan(make_finalists(7, 8), num_folds=2)
    judged, _ = run(selection, plan, prepare(selection, plan))
    for contender, _ in judged:
        found = contender.predict_seen("val")
        if contender.kind == "ensemble":
            # At temperatures of 1 it is the weighted mean.
            plain = replace(
                contender, temperatures=(1.0,) * len(contender.finalists), temperature=1.0
            )
            parts = [finalist.predictions["val"] for finalist in contender.finalists]
            expected = np.average(parts, axis=0, weights=contender.shares)
            np.testing.assert_allclose(plain.predict_seen("val"), expected, atol=1e-6)
            np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)
        else:
            np.testing.assert_array_equal(found, contender.leader.predictions["val"])
