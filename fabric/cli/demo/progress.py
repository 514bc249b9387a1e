"""Progress bars on a terminal, nothing elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars


class Progress:
    """One bar a step; use as a context manager."""

    def __init__(self, *, quiet: bool) -> None:
        """Draws nothing when quiet."""
        columns = (TextColumn("{task.description:38}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Bars(*columns, console=Console(stderr=True), disable=quiet)

    def __enter__(self) -> Self:
        """Starts drawing."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops drawing; the bars stay on the screen."""
        self._bars.stop()

    def step(self, text: str, total: int = 1) -> "Step":
        """Begins a step of so many parts."""
        return Step(self._bars, self._bars.add_task(text, total=total))


class Step:
    """A step that is under way."""

    def __init__(self, bars: Bars, task: TaskID) -> None:
        """Takes the bar that shows it."""
        self._bars = bars
        self._task = task

    def done(self, parts: int = 1) -> None:
        """Says that parts of the step are done."""
        self._bars.update(self._task, advance=parts)
