"""The page as text: the answer, what is absent, escaping, size. A browser reads it elsewhere."""

import base64
import io
import itertools
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from autocnn.core.atomic import replace_file
from autocnn.core.errors import StudyError
from autocnn.core.records import CandidateRecord, Interval, SplitScores, TrialState
from autocnn.reporting.candidates import class_table, leaderboard_table, worst_class
from autocnn.reporting.elements import load_picture
from autocnn.reporting.facts import NUM_PICTURED, PICTURES, read_facts, shown_copies
from autocnn.reporting.model_card import build_model_card
from autocnn.reporting.page import build_report, render_page, write_report
from autocnn.reporting.search import Drawings, view_search
from autocnn.reporting.terms import TERMS
from autocnn.storage import StudyFolder
from autocnn.storage.status import StudyStatus
from tests.predicted import make_predicted_study
from tests.reporting.studies import AWKWARD_CLASSES, make_candidate, make_study, make_trials

VOID = {"img", "meta", "link", "br", "input"}


class Reader(HTMLParser):
    """What stands in a page: balanced tags, ids, headings, pictures, text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, tag: str, name: str) -> list[str]:
        return [a[name] or "" for t, a in self.attributes if t == tag and name in a]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return make_study(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def html(whole: StudyFolder) -> str:
    return build_report(whole)


@pytest.fixture(scope="module")
def page(html: str) -> Reader:
    return Reader(html)


def render(folder: StudyFolder) -> Reader:
    """The page without the pictures of the search, which take a second to draw."""
    return Reader(render_page(read_facts(folder), Drawings()))


def change_status(folder: StudyFolder, **changes: object) -> None:
    facts = folder.read_study()
    folder.write_study({**facts, **changes})


def test_the_first_section_is_the_answer(page: Reader) -> None:
    answer = page.text.partition("Leaderboard Ranked")[0]
    for words in (
        "97.6 % balanced accuracy on clean test images",
        "95 % interval: 96.6 % to 98.1 %",
        "1,095 test images without a copy in train or val",
        "On all 1,311 test images: balanced accuracy 98.0 % (97.0 % to 98.5 %)",
        "Accuracy 97.8 %, macro F1 97.8 % and macro AUC 0.998",
        "Worst class: meningioma, 94.8 % of 273 images right (92.8 % to 95.8 %)",
        "trial 20, mean of 3 fold models",
        "From train to val 2.1 points are lost",
        "simplest within one standard error",
        "216 of 1,311 test images are copies",
        "2 more warnings",
        'keras.saving.load_model("candidates/01/model.keras")',
        "glioma, meningioma, notumor, pituitary",
    ):
        assert words in answer, words


def with_clean_test(folder: StudyFolder, counts: Sequence[int], **changes: object) -> Reader:
    """The page of a study whose clean test holds so many images of each class."""
    record = make_candidate(1)
    clean = record.test_clean
    assert clean is not None
    classes = tuple(
        one.model_copy(update={"num_images": number})
        for one, number in zip(clean.classes, counts, strict=True)
    )
    clean = clean.model_copy(update={"num_images": sum(counts), "classes": classes})
    facts = {"test_clean": clean, "num_test_clean": sum(counts), **changes}
    folder.write_candidate(record.model_copy(update=facts))
    return render(folder)


def without_images(record: CandidateRecord, label: int) -> SplitScores:
    """Scores of all of test, where it has no image of a class."""
    classes = list(record.test.classes)
    classes[label] = classes[label].model_copy(update={"num_images": 0})
    return record.test.model_copy(update={"classes": tuple(classes)})


def test_a_clean_part_that_is_too_small_leaves_the_lead_to_the_folds(tmp_path: Path) -> None:
    """As 2 of 319 images of a class, whose recall is a quarter of a balanced accuracy."""
    folder = make_study(tmp_path, num_candidates=1)
    page = with_clean_test(folder, (219, 17, 2, 81))
    assert "96.5 % balanced accuracy on the folds" in page.text
    assert "Only 319 test images have no copy in train or val, too few for a verdict" in page.text
    assert "On all 1,311 test images: balanced accuracy 98.0 %" in page.text
    page = with_clean_test(folder, (219, 17, 9, 81))
    assert "97.6 % balanced accuracy on clean test images" in page.text
    assert "Clean test has fewer than 10 images of notumor (9)." in page.text
    page = with_clean_test(folder, (400, 400, 0, 199))
    assert "too few for a verdict" in page.text
    page = with_clean_test(folder, (400, 400, 0, 199), test=without_images(make_candidate(1), 2))
    assert "97.6 % balanced accuracy on clean test images" in page.text, "test never had it"
    page = with_clean_test(folder, (219, 17, 2, 81), folds=None)
    assert "97.6 % balanced accuracy on clean test images" in page.text
    assert "That is too few for a verdict, as the rarest class decides" in page.text


def test_a_test_split_of_copies_leaves_the_lead_to_the_folds(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    facts = {"test_clean": None, "num_test_clean": 0, "checked_on": "test"}
    folder.write_candidate(make_candidate(1).model_copy(update=facts))
    text = render(folder).text
    assert "96.5 % balanced accuracy on the folds" in text
    assert "Every test image has a copy in train or val, so test cannot carry a verdict." in text


def test_tags_are_balanced_and_ids_unique(page: Reader) -> None:
    assert not page.open
    assert not [name for name, number in Counter(page.ids).items() if number > 1]


def test_links_inside_the_page_lead_somewhere(page: Reader) -> None:
    targets = set(page.values("a", "href"))
    assert len(targets) > 8
    assert {target.removeprefix("#") for target in targets} <= set(page.ids)


def test_headings_stand_in_order(page: Reader) -> None:
    levels = [int(tag[1]) for tag, _ in page.attributes if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    for before, after in itertools.pairwise(levels):
        assert after <= before + 1


def test_tables_have_captions_and_heads_with_scope(page: Reader) -> None:
    assert page.tags["table"] == page.tags["caption"] > 15
    assert all(scope in ("row", "col") for scope in page.values("th", "scope"))
    assert len(page.values("th", "scope")) == page.tags["th"]


def test_every_picture_is_inside_and_has_words(page: Reader) -> None:
    pictures = [attributes for tag, attributes in page.attributes if tag == "img"]
    assert len(pictures) >= NUM_PICTURED * len(PICTURES) + 12
    for picture in pictures:
        kind, data = (picture["src"] or "").split(";base64,")
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
            assert kind == f"data:image/{str(image.format).lower()}"
            assert picture["width"] == str(image.width)
            image.load()
        assert re.search(r"\d", picture["alt"] or "")


def test_nothing_comes_from_outside(html: str, page: Reader) -> None:
    addresses = [*page.values("link", "href"), *page.values("img", "src")]
    assert all(address.startswith("data:") for address in addresses)
    assert not page.values("script", "src")
    assert "default-src 'none'" in html
    assert "url(" not in html
    assert "@import" not in html


def test_ties_are_shown(page: Reader) -> None:
    assert "2 =1 (not distinguished from candidate 1 on test)" in page.text
    assert "5 =1" not in page.text


def test_pairs_stand_in_a_matrix_and_those_that_differ_are_marked(page: Reader, html: str) -> None:
    start = html.index('<table id="table-comparisons"')
    table = html[start : html.index("</table>", start)]
    assert table.count("<tr>") == 6  # a head, and the five below the first
    assert table.count(">minus ") == 5
    assert table.count("marked") == table.count("≠\N{NO-BREAK SPACE}") == 9  # of 5 and 6
    assert "+0.4], p 0.040" in table
    assert "corrected for 15 comparisons" in page.text


def test_words_are_explained_where_tables_use_them(page: Reader, html: str) -> None:
    captions = re.findall(r"<caption[^>]*>(.*?)</caption>", html, re.DOTALL)
    linked = [text for text in captions if 'href="#terms"' in text]
    assert any("Ranked by" in text for text in linked)
    assert any("at each step" in text for text in linked)
    assert not any("Versions" in text for text in linked)
    assert "tie (=1)" in page.text
    glossary = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text("utf-8")
    for term, meaning in TERMS.items():
        assert f"| {term} | {meaning} |" in glossary, term


def test_pictures_of_later_candidates_are_left_out_with_a_word(page: Reader) -> None:
    assert "Pictures of 4 candidates are in this page" in page.text
    alts = page.values("img", "alt")
    assert any(alt.startswith("Confusion matrix of candidate 4") for alt in alts)
    assert not any(alt.startswith("Confusion matrix of candidate 5") for alt in alts)
    assert "Each class against the rest, on clean test: candidate 6" in page.text


def test_what_did_not_end_well_has_its_reason(page: Reader) -> None:
    assert "needed more than 10.6 GB" in page.text
    assert "ValueError: loss <b>is</b> not finite" in page.text


def test_the_data_section_shows_copies_conflicts_and_shortcuts(page: Reader) -> None:
    data = page.text.partition("How the data were read")[0].rpartition("Data ")[2]
    for words in (
        "1 file could not be read.",
        "Copies of one image under different labels",
        "in train and test, with different labels",
        "8 more groups of copies: see audit.json.",
        "Training/notumor/wide.jpg 1400 x 200 px",
        "The mode alone tells this class",
    ):
        assert words in data, words


def test_it_says_how_to_repeat_the_study(page: Reader, whole: StudyFolder) -> None:
    command = "autocnn search brain --name mine --space mri --trials 24 --results "
    assert f"{command}{whole.path.parent}" in page.text
    assert f"--config {whole.path}/study.json" in page.text
    assert "2026-01-05 12:40 UTC: the test split was opened for the models of trials 0" in page.text


@pytest.mark.slow
def test_the_same_study_gives_the_same_page(whole: StudyFolder, html: str) -> None:
    assert build_report(whole) == html


@pytest.mark.slow
def test_it_stays_small_with_nine_candidates(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=9)
    assert len(render_page(read_facts(folder), Drawings()).encode()) < 2_000_000


def test_names_cannot_become_markup(tmp_path: Path) -> None:
    folder = make_study(tmp_path, "a-study", classes=AWKWARD_CLASSES, num_candidates=2)
    page = render(folder)
    assert page.tags["script"] == 1
    assert "<script>alert(1)</script>" in page.text
    assert "a \"quoted\" & 'name'" in page.text
    assert "опухоль 腫瘍" in page.text
    names = {name for _, attributes in page.attributes for name in attributes}
    assert not [name for name in names if name.startswith("on") or not name.isascii()]


def test_an_early_study_says_what_is_absent(tmp_path: Path) -> None:
    folder = make_study(tmp_path, has_all=False, num_candidates=2)
    page = render(folder)
    for words in (
        "accuracy on test images",
        "Measured on 1,311 test images.",
        "The gap between train and test was not taken apart in this study.",
        "The data were not audited in this study.",
        "The file is not there",
        "This picture is not in the page.",
        "Its probabilities were not calibrated.",
        "No pictures of mistakes were made for it",
        "The best candidate was not tried on disturbed images.",
        "It was not asked where the best candidate looks.",
        "There is no audit of the data in this study.",
        "No opening of the test split is recorded.",
    ):
        assert words in page.text, words
    assert "clean test" not in page.text
    assert not page.open


def test_an_audit_of_another_version_is_named(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    folder.write_audit('{"schema_version": 1, "surplus_copies": 3}', {})
    assert "audit.json: must be a whole record" in render(folder).text


def test_an_unfinished_study_has_a_report_of_its_search(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    folder.leaderboard_path.unlink()  # as `clear_candidates` does; the record still stands
    change_status(folder, status="searching", choice=None)
    page = render(folder)
    assert "This study is not finished. 24 of 24 trials have ended." in page.text
    assert "Best so far: trial 22, balanced accuracy 96.8 % on val." in page.text
    assert "No test image has been scored yet." in page.text
    assert "candidates" not in page.ids


def test_a_study_that_went_on_says_that_its_candidates_are_older(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    change_status(folder, status="searching")
    assert "The candidates below are those of its last end." in render(folder).text


def test_a_study_that_has_just_begun_has_a_page(tmp_path: Path) -> None:
    status = StudyStatus.from_json(make_study(tmp_path, "other").read_study(), source=tmp_path)
    bare = status.model_copy(
        update={
            "data": None,
            "machine": None,
            "resources": None,
            "choice": None,
            "status": "preparing",
            "space_fingerprint": None,
        }
    )
    page = Reader(build_report(StudyFolder.create(tmp_path, "new", bare.to_json())))
    assert "0 of 24 trials have ended" in page.text
    assert "there is nothing to draw" in page.text
    assert not page.tags["img"]


def test_the_choice_is_the_best_also_behind_the_first_four(tmp_path: Path) -> None:
    folder = make_study(tmp_path)
    change_status(folder, choice={"candidate": 5, "sentences": ["It is the simplest."]})
    page = render(folder)
    assert 'load_model("candidates/05/model.keras")' in page.text
    assert page.text.count(", chosen") == 1
    alts = page.values("img", "alt")
    assert any(alt.startswith("ROC curves of candidate 5") for alt in alts)
    assert not any(alt.startswith("ROC curves of candidate 4") for alt in alts)


def test_a_perfect_candidate_has_no_mistakes(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    record = make_candidate(1)
    perfect = record.checked.scores.model_copy(update={"accuracy": 1.0})
    clean = record.checked.model_copy(update={"scores": perfect})
    folder.write_candidate(record.model_copy(update={"test_clean": clean, "explanation": None}))
    assert "Candidate 1 makes no mistake on 1,095 clean test images." in render(folder).text


@pytest.mark.parametrize(
    ("objective", "words"), [("kappa", "Cohen's kappa"), ("mcc", "Matthews correlation")]
)
def test_a_correlation_is_no_percentage(tmp_path: Path, objective: str, words: str) -> None:
    folder = make_predicted_study(tmp_path, objective=objective)
    (first, *_) = folder.read_candidates()
    value = getattr(first.judged.scores, objective)
    page = Reader(build_report(folder))
    assert f"{value:.3f} {words} on clean test" in page.text
    low, high = (getattr(first.judged.intervals[objective], end) for end in ("low", "high"))
    assert f"{low:.3f} to {high:.3f}" in page.text


def with_objective(record: CandidateRecord, name: str, value: float) -> CandidateRecord:
    """The candidate with a value of an objective on clean test, and an interval around it."""
    clean = record.judged
    found = Interval(value=value, low=value - 0.1, high=value + 0.1)
    scores = clean.scores.model_copy(update={name: value})
    intervals = {**clean.intervals, name: found}
    clean = clean.model_copy(update={"scores": scores, "intervals": intervals})
    return record.model_copy(update={"test_clean": clean, "objective": value, "cv_mean": value})


def test_bars_are_of_what_has_ends_and_their_scale_is_that_of_the_numbers() -> None:
    record = make_candidate(1)
    own = leaderboard_table([with_objective(record, "own", 37.5)], "-costs.py:cost", chosen=1)
    assert own.scale == ""
    assert not any(cell.bar for cell in own.rows[0])
    table = leaderboard_table([with_objective(record, "mcc", -0.05)], "mcc", chosen=1)
    assert table.scale == "Bars reach from \N{MINUS SIGN}0.265 to 1."
    (bar,) = [cell.bar for cell in table.rows[0] if cell.bar]
    assert 0 < bar.low < bar.value < bar.high < 50
    areas = leaderboard_table([with_objective(record, "macro_auc", 0.9)], "macro_auc", chosen=1)
    assert areas.scale == "Bars reach from 0.780 to 1."


def test_the_worst_class_is_one_with_mistakes_and_the_largest_of_equals() -> None:
    scored = make_candidate(1).judged
    recalls = ((0.5, 2), (0.5, 30), (0.9, 300), (1.0, 5))
    classes = tuple(
        one.model_copy(update={"recall": recall, "num_images": number})
        for one, (recall, number) in zip(scored.classes, recalls, strict=True)
    )
    assert worst_class(scored.model_copy(update={"classes": classes})) is classes[1]
    assert worst_class(scored.model_copy(update={"classes": classes[3:]})) is None


def test_warnings_that_are_left_out_are_linked_where_they_stand(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    record = make_candidate(1)
    assert record.explanation is not None
    looks = record.explanation.model_copy(update={"warnings": ("It looks at the border.",)})
    folder.write_candidate(record.model_copy(update={"explanation": looks}))
    page = build_report(folder)
    assert '<a href="#data">2 more warnings</a>' in page
    assert '<a href="#explanation">1 more warning of where it looks</a>' in page


def test_one_is_no_plural(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    for number in range(12, 24):
        shutil.rmtree(folder.path / f"trials/{number:04d}")
    for trial in make_trials(12):
        folder.write_trial(trial.model_copy(update={"state": TrialState.COMPLETE}))
    assert "1 more is not shown." in render(folder).text, "of the 11 that were scored"
    page = with_clean_test(folder, (1, 0, 0, 0))
    assert "Only 1 test image has no copy in train or val" in page.text
    for number in range(1, 12):
        shutil.rmtree(folder.path / f"trials/{number:04d}")
    change_status(folder, status="searching")
    assert "1 of 24 trials has ended." in render(folder).text
    config = folder.read_status().config.model_copy(update={"trials": None, "budget_s": 60.0})
    change_status(folder, config=config.model_dump(mode="json"))
    assert "1 trial has ended." in render(folder).text


def test_a_trial_that_the_budget_cut_may_be_the_best(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    cut = make_trials()[3].model_copy(update={"state": TrialState.CUT, "objective": 0.99})
    folder.write_trial(cut)
    best = view_search(read_facts(folder), Drawings()).best
    assert best is not None
    assert best.rows[0][0].text == "3"
    change_status(folder, status="searching")
    assert "Best so far: trial 3" in render(folder).text


def test_a_study_without_failures_says_so(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    for trial in make_trials():
        folder.write_trial(trial.model_copy(update={"state": TrialState.COMPLETE}))
    assert "Stopped and failed trials None." in render(folder).text


def test_broken_and_wandering_pictures_are_left_out(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    path = folder.candidate_dir(1) / "roc.png"
    replace_file(path, path.read_bytes()[:100])
    assert (1, "roc") not in read_facts(folder).pictures
    assert folder.read_candidate_picture(1, "../../study.json") is None
    assert folder.read_audit_picture("") is None
    (folder.candidate_dir(1) / "link.png").symlink_to(folder.path / "study.json")
    assert folder.read_candidate_picture(1, "link.png") is None


def test_palettes_make_plots_smaller_and_keep_them() -> None:
    gradient = Image.linear_gradient("L").resize((400, 300)).convert("RGB")
    buffer = io.BytesIO()
    gradient.save(buffer, "PNG", compress_level=0)
    picture = load_picture(buffer.getvalue())
    assert picture is not None
    assert (picture.width, picture.height) == (400, 300)
    assert len(picture.data) < len(buffer.getvalue()) / 3
    with Image.open(io.BytesIO(picture.data)) as small:
        pairs = zip(small.convert("RGB").tobytes(), gradient.tobytes(), strict=True)
        difference = [abs(after - before) for after, before in pairs]
    assert max(difference) <= 16
    assert load_picture(b"<svg/>") is None
    assert load_picture(None) is None


def test_conflicts_and_leaks_come_first_among_the_copies(whole: StudyFolder) -> None:
    audit = whole.read_audit()
    assert audit is not None
    bare = audit.model_copy(
        update={
            "copies": tuple(g.model_copy(update={"thumbnails": ()}) for g in audit.copies[::-1])
        }
    )
    shown = shown_copies(bare)
    assert len(set(shown[0].labels)) == 2
    assert ["test" in group.splits for group in shown] == [True] * 10 + [False] * 2


@pytest.mark.slow
def test_write_report_leaves_one_whole_file(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1, has_all=False)
    path = write_report(folder)
    assert path == folder.path / "report.html"
    assert path.read_text("utf-8").endswith("</html>\n")
    assert not list(folder.path.glob(".report*"))


def test_colours_have_enough_contrast() -> None:
    css = (Path(build_report.__code__.co_filename).parent / "templates/report.css").read_text()
    for mode in re.findall(r":root \{(.*?)\}", css, re.DOTALL):
        colour = dict(re.findall(r"--([\w-]+): (#\w{6})", mode))
        for text in ("ink", "muted", "link"):
            for ground in ("page", "card", "warn"):
                if (text, ground) != ("link", "warn"):  # no link stands in a warning
                    assert contrast(colour[text], colour[ground]) >= 4.5, (text, ground)


def contrast(first: str, second: str) -> float:
    """Source: WCAG 2.2, definition of contrast ratio."""
    lights = []
    for colour in (first, second):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        lights.append(sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_the_model_card_has_its_sections(whole: StudyFolder) -> None:
    card = build_model_card(whole)
    titles = re.findall(r"^## (.*)$", card, re.MULTILINE)
    assert titles == [
        "Model details",
        "Intended use",
        "Data",
        "Metrics",
        "Limits",
        "How to load it",
        "How it was made",
    ]
    assert "| clean test | 1,095 | 97.8\xa0% \\[96.8, 98.3\\] |" in card
    assert 'keras.saving.load_model("candidates/01/model.keras")' in card
    assert "- 216 of 1,311 test images are copies" in card


def test_the_model_card_escapes_names_and_keeps_its_tables(tmp_path: Path) -> None:
    classes = (*AWKWARD_CLASSES[:3], "a|b")
    folder = make_study(tmp_path, classes=classes, num_candidates=1)
    card = build_model_card(folder)
    assert "<script>" not in card.replace("\\<script\\>", "")
    assert "a\\|b" in card
    rows = [line for line in card.splitlines() if line.startswith("| אבג דהח")]
    assert rows
    for block in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        columns = {len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(columns) == 1, block


def test_a_model_card_needs_a_model(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    folder.leaderboard_path.unlink()
    with pytest.raises(StudyError, match="needs a model"):
        build_model_card(folder)


@pytest.mark.slow
@pytest.mark.parametrize("most", [None, 3, 0])
def test_the_page_holds_no_more_images_of_the_data_than_asked(
    tmp_path: Path, most: int | None
) -> None:
    folder = make_study(tmp_path, num_candidates=2)
    all_of_them = read_facts(folder)
    facts = read_facts(folder, max_images=most)
    number = len(all_of_them.examples) + len(all_of_them.thumbnails)
    assert number > 3
    assert len(facts.examples) + len(facts.thumbnails) == (number if most is None else most)
    best = facts.best
    assert best is not None and best.explanation is not None
    wrong = [image.picture for image in best.explanation.images if not image.is_right]
    assert set(wrong[:most]) <= set(facts.examples), "mistakes come first"
    page = build_report(folder, max_images=most)
    for name, picture in all_of_them.examples.items():
        assert (picture.address in page) == (name in facts.examples)


def test_of_very_many_classes_those_of_least_recall_are_shown(tmp_path: Path) -> None:
    record = make_candidate(1)
    judged = record.test_clean
    assert judged is not None
    one = judged.classes[0]
    classes = tuple(
        one.model_copy(update={"label": f"class {index}", "recall": 1 - index / 1000})
        for index in range(300)
    )
    judged = judged.model_copy(update={"classes": classes})
    table = class_table(record.model_copy(update={"test_clean": judged}))
    assert (len(table.rows), table.left_out) == (100, 200)
    assert table.rows[0][0].text == "class 299"
    assert "Those of least recall come first" in table.caption
