"""Images of many requests, predicted together, one batch after another."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from autocnn.inference.predict.abstention import Abstention
from autocnn.inference.predict.model import Model
from autocnn.inference.predict.predictions import Predictions
from autocnn.inference.predict.reading import NamedImage

MOST_IMAGES = 64
"""Of one batch, however many requests wait."""

MOST_WAITING = 1024
"""Images that wait; more are refused, so that nobody waits for minutes."""


class BusyError(Exception):
    """Too many images wait already."""


@dataclass(frozen=True, eq=False)
class _Request:
    images: Sequence[NamedImage]
    answer: "asyncio.Future[Predictions]"


class Batches:
    """A model that one thread runs, for requests of one event loop.

    While a batch is predicted, what comes meanwhile gathers, and is the next: with one client
    nothing waits for others, with many the model works on as many images at once as there are.

    Args:
        model: That predicts.
        abstention: When an answer is withheld; None: never.
    """

    def __init__(self, model: Model, abstention: Abstention | None = None) -> None:
        self.model, self.abstention = model, abstention
        self._waiting: asyncio.Queue[_Request] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._num_waiting = 0

    async def predict(self, images: Sequence[NamedImage]) -> Predictions:
        """Answers in the order of the images.

        Raises:
            BusyError: When too many wait already.
        """
        if self._num_waiting + len(images) > max(MOST_WAITING, len(images)):
            raise BusyError
        answer: asyncio.Future[Predictions] = asyncio.get_running_loop().create_future()
        self._num_waiting += len(images)
        try:
            await self._waiting.put(_Request(images, answer))
            return await answer
        finally:
            self._num_waiting -= len(images)

    async def run(self) -> None:
        """Predict what comes, until it is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                batch = [await self._waiting.get()]
                while (
                    not self._waiting.empty()
                    and sum(len(one.images) for one in batch) < MOST_IMAGES
                ):
                    batch.append(self._waiting.get_nowait())
                batch = [one for one in batch if not one.answer.cancelled()]
                images = [image for one in batch for image in one.images]
                try:
                    found = await loop.run_in_executor(self._thread, self._predict, images)
                except Exception as error:  # noqa: BLE001 - each request hears of it
                    for one in batch:
                        if not one.answer.done():
                            one.answer.set_exception(error)
                    continue
                start = 0
                for one in batch:
                    stop = start + len(one.images)
                    if not one.answer.done():
                        one.answer.set_result(found.part(start, stop))
                    start = stop
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _predict(self, images: Sequence[NamedImage]) -> Predictions:
        parts = [
            self.model.answer(batch, self.abstention) for batch in self.model.read(iter(images))
        ]
        return Predictions.joined(
            parts or [self.model.answer(self.model.no_images(), self.abstention)]
        )
