"""A model as a REST service: predict images, health, labels, an OpenAPI description."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from autocnn import __version__
from autocnn.inference.predict.abstention import Abstention
from autocnn.inference.predict.model import Model
from autocnn.inference.predict.reading import NamedImage
from autocnn.inference.predict.rows import json_objects
from autocnn.web.batches import Batches, BusyError
from autocnn.web.server import App, Limits

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from starlette.formparsers import MultiPartParser

TOKEN_VARIABLE = "AUTOCNN_TOKEN"

_BINARY = {"type": "string", "format": "binary"}
_FILE = {"application/octet-stream": {"schema": _BINARY}, "image/*": {"schema": _BINARY}}
_IMAGES = {"images": {"type": "array", "items": _BINARY}}
_FILES = {"multipart/form-data": {"schema": {"type": "object", "properties": _IMAGES}}}
"""Bodies of requests, for the OpenAPI description."""


class Answer(BaseModel):
    """What the model says of an image."""

    path: str = Field(description="Name of the file, or `image`.")
    predicted: str | None = Field(description="Most probable class; null with an error.")
    probability: float | None = Field(description="Of that class, calibrated.")
    unsure: bool | None = Field(description="The answer does not count: below the threshold.")
    unlike: bool | None = Field(
        description="Unlike the training images: the answer is a guess; null: not known."
    )
    error: str | None = Field(description="Why it could not be read.")
    probabilities: dict[str, float] | None = Field(description="Of every class.")


class Health(BaseModel):
    """That it lives, and what it is."""

    status: str
    study: str
    candidate: int
    format: str
    version: str


class Labels(BaseModel):
    """What the model tells apart, and how large it sees images."""

    labels: list[str]
    height: int
    width: int
    unsure_below: float | None


@dataclass(frozen=True)
class ServiceLimits:
    """What a client may ask for.

    Attributes:
        image_mb: Size of one image, MB (10^6 bytes).
        images: In one request.
        rate: Requests a second of one client; None: no limit.
    """

    image_mb: float = 20.0
    images: int = 64
    rate: float | None = None


def make_service(
    model: Model, *, abstention: Abstention | None = None, limits: ServiceLimits | None = None
) -> App:
    """The application that answers for a model.

    Args:
        model: That predicts; one thread runs it.
        abstention: When an answer is withheld; None: never.
        limits: What a client may ask for.
    """
    limits = limits or ServiceLimits()
    most_bytes = int(limits.image_mb * 1e6)
    app = _make_app(model, abstention, limits, most_bytes)
    # Parts have heads of their own.
    return Limits(
        app,
        most_bytes=most_bytes * limits.images + 100_000,
        most_of={"/predict": most_bytes},
        rate=limits.rate,
    )


def token_from_environment() -> str | None:
    """The token that clients must bring, where the environment says one."""
    return os.environ.get(TOKEN_VARIABLE) or None


def _make_app(
    model: Model, abstention: Abstention | None, limits: ServiceLimits, most_bytes: int
) -> "FastAPI":
    from fastapi import FastAPI, Request
    from fastapi.responses import HTMLResponse, JSONResponse
    from starlette.exceptions import HTTPException

    parser = _parser_in_memory(most_bytes)
    batches = Batches(model, abstention)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(batches.run())
        await batches.predict([NamedImage("warm-up", _black())])
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    metadata = model.metadata
    app = FastAPI(
        title=f"autocnn: {metadata.study}",
        version=__version__,
        description=f"Candidate {metadata.candidate} of the study {metadata.study}: "
        f"{', '.join(metadata.class_names[:20])}.",
        docs_url=None,  # its page comes from another server
        redoc_url=None,
        lifespan=lifespan,
    )

    async def answer(images: list[NamedImage]) -> list[dict[str, object]]:
        try:
            return list(json_objects(await batches.predict(images)))
        except BusyError:
            raise HTTPException(
                503, "too many images wait already", headers={"Retry-After": "1"}
            ) from None

    @app.exception_handler(HTTPException)
    async def explain(request: Request, error: Any) -> JSONResponse:
        return JSONResponse(
            {"error": error.detail}, status_code=error.status_code, headers=error.headers
        )

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page() -> str:
        return _page(model)

    @app.get("/health")
    async def health() -> Health:
        """Whether it answers, and what it is."""
        return Health(
            status="ok",
            study=metadata.study,
            candidate=metadata.candidate,
            format=metadata.format,
            version=__version__,
        )

    @app.get("/labels")
    async def labels() -> Labels:
        """The classes in the order of training."""
        return Labels(
            labels=list(metadata.class_names),
            height=metadata.input.height,
            width=metadata.input.width,
            unsure_below=abstention.threshold if abstention else None,
        )

    @app.post(
        "/predict",
        openapi_extra={"requestBody": {"required": True, "content": _FILE}},
        responses={413: {"description": "Too large."}, 422: {"description": "No image."}},
    )
    async def predict(request: Request) -> Answer:
        """One image: the body is the content of its file, of any kind that a study reads."""
        (found,) = await answer([NamedImage("image", await request.body())])
        if found["error"] is not None:
            raise HTTPException(422, f"the image {found['error']}")
        return Answer.model_validate(found)

    @app.post(
        "/predict/batch", openapi_extra={"requestBody": {"required": True, "content": _FILES}}
    )
    async def predict_batch(request: Request) -> list[Answer]:
        """Some images, as a form of files: answers in their order, each with its own error."""
        images = await _images_of(request, parser, limits.images)
        return [Answer.model_validate(found) for found in await answer(images)]

    return app


def _parser_in_memory(most_bytes: int) -> "type[MultiPartParser]":
    """A parser of forms of files that go through no file, each counted as it comes."""
    from starlette.exceptions import HTTPException
    from starlette.formparsers import MultiPartParser

    class InMemory(MultiPartParser):
        spool_max_size = 2**60
        size = 0

        def on_part_begin(self) -> None:
            super().on_part_begin()
            self.size = 0

        def on_part_data(self, data: bytes, start: int, end: int) -> None:
            self.size += end - start
            if self.size > most_bytes:
                raise HTTPException(413, f"an image must have at most {most_bytes / 1e6:g} MB")
            super().on_part_data(data, start, end)

    return InMemory


async def _images_of(
    request: "Request", parser: "type[MultiPartParser]", most_images: int
) -> list[NamedImage]:
    """The files of a form, in their order; at least one."""
    from starlette.exceptions import HTTPException
    from starlette.formparsers import MultiPartException

    try:
        form = await parser(
            request.headers, request.stream(), max_files=most_images, max_fields=0
        ).parse()
    except (MultiPartException, KeyError, AssertionError, ValueError) as error:
        reason = getattr(error, "message", "") or "no form of files"
        raise HTTPException(400, f"a form of files is needed, got: {reason}") from None
    images = []
    try:
        for _, part in form.multi_items():
            assert not isinstance(part, str), "no fields are let in"
            images.append(NamedImage(_base_name(part.filename), await part.read()))
    finally:
        await form.close()
    if not images:
        raise HTTPException(400, "a form of files is needed, got no file")
    return images


def _base_name(path: str | None) -> str:
    """Of a file, as its sender calls it."""
    return PurePosixPath((path or "image").replace("\\", "/")).name


def _black() -> Any:
    import numpy as np

    return np.zeros((8, 8), np.uint8)


def _page(model: Model) -> str:
    """What a browser gets at `/`: how to ask, in a few lines."""
    from autocnn.web.pages import render

    return render("service.html.j2", metadata=model.metadata)
