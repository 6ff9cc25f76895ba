"""The page of a study: how it runs, its leaderboard, its images, and an image of yours."""

import asyncio
import base64
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

from autocnn.core.errors import AutocnnError, ExportError
from autocnn.inference.predict.explaining import draw_maps, explainable
from autocnn.inference.predict.model import Model, load
from autocnn.inference.predict.reading import NamedImage
from autocnn.inference.predict.rows import json_objects
from autocnn.storage import StudyFolder
from autocnn.web.live import LiveStudy
from autocnn.web.pages import render
from autocnn.web.server import App, Limits
from autocnn.web.study_images import KINDS, ORDERS, UNREADABLE, ImageFilter, StudyImages, encode_png

if TYPE_CHECKING:
    from fastapi import FastAPI

    from autocnn.training.networks.grad_cam import GradCam

MOST_BYTES = 50_000_000
"""Of an image that somebody tries."""

MOST_TILES = 400
"""Images that are described at once."""

MOST_ROWS = 200
"""Trials in the table that a browser without JavaScript gets."""

LARGE = 256
"""Side of an image that is looked at closely, px at least."""

STATIC = {
    "view.js": ("autocnn.web", "static", "text/javascript"),
    "view.css": ("autocnn.web", "static", "text/css"),
    "report.css": ("autocnn.reporting", "templates", "text/css"),
}
"""Name -> package, folder in it, media type. The look is the report's."""


def make_view(folder: StudyFolder, *, trust_code: bool = False) -> App:
    """The application that shows a study; it reads, and writes nothing.

    Args:
        folder: The study, which may be running.
        trust_code: Whether code of a model of somebody's own may run, to try an image.
    """
    return Limits(_make_app(folder, trust_code=trust_code), most_bytes=MOST_BYTES)


@dataclass(eq=False)
class _Models:
    """The candidates' models, loaded when an image is first tried; one at a time works.

    A study that is extended makes its candidates anew: then their models are loaded again.
    """

    folder: StudyFolder
    trust_code: bool
    _loaded: "dict[int, tuple[Model, GradCam | None]]" = field(default_factory=dict)
    _stamp: tuple[int, ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, content: bytes, candidate: int) -> dict[str, object]:
        """What a candidate says of an image file, and a picture of where it looked."""
        return self._answer(lambda _: content, candidate)

    def look(self, images: StudyImages, place: int, candidate: int) -> dict[str, object]:
        """The same of one of the study's images, of the size that the candidate takes."""
        return self._answer(lambda side: images.pixels(place, side=side), candidate)

    def _answer(self, image_of: Callable[[int], Any], candidate: int) -> dict[str, object]:
        with self._lock:
            model, cam = self._load(candidate)
            image = image_of(model.metadata.input.height)
            (batch,) = model.read([NamedImage("image", image)])
            predictions = model.answer(batch)
            (found,) = json_objects(predictions)
            found["map"] = None
            if found["error"] is None and cam is not None:
                ((_, overlay),) = draw_maps(cam, batch, predictions)
                found["map"] = _data_address("image/jpeg", overlay)
            return found

    def _load(self, candidate: int) -> tuple[Model, "GradCam | None"]:
        """A model, and what explains it; None where it has no layers to be explained."""
        stamp = self.folder.image_stamps()
        if stamp != self._stamp:
            self._loaded.clear()
            self._stamp = stamp
        if candidate not in self._loaded:
            model = load(self.folder.path, candidate=candidate, trust_code=self.trust_code)
            cam = None
            with contextlib.suppress(ExportError):
                cam = explainable(model)
            self._loaded[candidate] = model, cam
        return self._loaded[candidate]


@dataclass(eq=False)
class _Newest:
    """The images of a study that may still run: what is known of them is read anew with it."""

    folder: StudyFolder
    stamp: tuple[int, ...] = ()
    _images: StudyImages | None = None

    def __call__(self) -> StudyImages:
        stamp = self.folder.image_stamps()
        if self._images is None or stamp != self.stamp or not self._images.class_names:
            self._images, self.stamp = StudyImages(self.folder), stamp
        return self._images


def _make_app(folder: StudyFolder, *, trust_code: bool) -> "FastAPI":
    from fastapi import Depends, FastAPI, Request, Response
    from fastapi.responses import HTMLResponse, JSONResponse
    from starlette.exceptions import HTTPException

    live, newest = LiveStudy(folder), _Newest(folder)
    models = _Models(folder, trust_code)

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    def refused(request: Request, status: int, reason: str) -> Response:
        """A page for who opens one, else JSON."""
        if "text/html" in request.headers.get("accept", ""):
            page = render("refused.html.j2", name=folder.name, reason=reason)
            return HTMLResponse(page, status_code=status)
        return JSONResponse({"error": reason}, status_code=status)

    @app.exception_handler(HTTPException)
    async def explain(request: Request, error: Any) -> Response:
        return refused(request, error.status_code, error.detail)

    @app.exception_handler(AutocnnError)
    async def tell(request: Request, error: Any) -> Response:
        """Also of a study that is deleted while it is shown."""
        is_gone = not folder.path.is_dir()
        reason = f"{folder.path} is gone." if is_gone else error.message
        return refused(request, 404, reason)

    @app.get("/api/study")
    def study() -> dict[str, Any]:
        images = newest()
        return live.state() | {
            "class_names": images.class_names,
            "models": images.titles,
            "images": " ".join(map(str, newest.stamp)),
        }

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        state, status = study(), folder.read_status()
        trials = sorted(state["trials"], key=lambda row: row["trial"], reverse=True)
        return render(
            "view.html.j2",
            state=state,
            trials=trials[:MOST_ROWS],
            num_left_out=max(0, len(trials) - MOST_ROWS),
            data=status.config.data,
            argument=folder.argument,
            is_done=status.is_done,
            kinds=KINDS,
            orders=ORDERS,
        )

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in STATIC:
            raise HTTPException(404, "no such file")
        package, place, media_type = STATIC[name]
        return Response((files(package) / place / name).read_bytes(), media_type=media_type)

    @app.get("/report", response_class=HTMLResponse)
    def report() -> Response:
        """report.html as it was written, with the policy that it brings itself.

        It may be anybody's: in a sandbox its scripts cannot ask for what else is shown here.
        """
        if not folder.report_path.is_file():
            folder.read_status()  # or say that the study is gone
            raise HTTPException(404, "The study has no report yet.")
        policy = {
            "Content-Security-Policy": "sandbox allow-scripts allow-popups; frame-ancestors 'none'"
        }
        return Response(folder.report_path.read_bytes(), media_type="text/html", headers=policy)

    @app.get("/api/trials/{number}")
    def trial(number: int) -> dict[str, Any]:
        return live.trial(number)

    @app.get("/api/images")
    def find(
        asked: Annotated[ImageFilter, Depends()], start: int = 0, number: int = 100
    ) -> dict[str, Any]:
        images = newest()
        found = images.find(asked)
        start, number = max(0, start), min(max(0, number), MOST_TILES)
        some = found[start : start + number].tolist()
        return {
            "total": len(found),
            "start": start,
            "images": images.describe(some, asked.candidate),
            "problem": images.problem(),
        }

    def checked(place: int) -> int:
        if not 0 <= place < len(newest().rows):
            raise HTTPException(404, f"the study has {len(newest().rows):,} images")
        return place

    @app.get("/api/images/{place}")
    def detail(place: int) -> dict[str, Any]:
        return newest().detail(checked(place))

    @app.get("/api/images/{place}/look/{candidate}")
    def look(place: int, candidate: int) -> dict[str, object]:
        return models.look(newest(), checked(place), candidate)

    @app.get("/thumbnails/{place}.jpg")
    def thumbnail(place: int) -> Response:
        return Response(newest().thumbnail(checked(place)), media_type="image/jpeg")

    @app.get("/images/{place}.png")
    def image(place: int) -> Response:
        try:
            png = encode_png(newest().pixels(checked(place)), side=LARGE)
        except UNREADABLE:
            return Response(newest().thumbnail(place), media_type="image/jpeg")
        return Response(png, media_type="image/png")

    @app.post("/api/try/{candidate}")
    async def try_image(candidate: int, request: Request) -> dict[str, object]:
        content = await request.body()
        return await asyncio.to_thread(models.answer, content, candidate)

    return app


def _data_address(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
