"""Maps by t-SNE of a study's features: one a data set, networks side by side, kept while these are the same."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from p3d_eval.errors import UserError
from p3d_eval.features import open_features
from p3d_eval.progress import Progress
from p3d_eval.provenance import sha256_json
from p3d_eval.reports.figures.data import FigureData
from p3d_eval.reports.suffixes import FIGURE_SUFFIX
from p3d_eval.study.settings import ReportSettings
from p3d_eval.study.tasks import Tell, ToldProgress

MAPS = ".maps"  # hidden: reports over the study's folder find them among its figures
MOST_PANELS = 4  # more are too small to be read


@dataclass(frozen=True)
class Map:
    """A map to draw.

    Parameters
    ----------
    dataset : str
    rows : tuple of (str, Path)
        Label and feature file of each panel.
    settings : ReportSettings
    folder : Path
        Where finished maps are kept.
    videos : Path, optional
        Where the videos are, for thumbnails.
    """

    dataset: str
    rows: tuple[tuple[str, Path], ...]
    settings: ReportSettings
    folder: Path
    videos: Path | None = None

    @property
    def name(self) -> str:
        """Of its files; a dot would begin a suffix."""
        return "tsne-" + "".join(one if one.isalnum() or one in "-_" else "-" for one in self.dataset)

    @property
    def key(self) -> str:
        """Hash of what it depends on, besides the names of its panels."""
        stores = [open_features(path) for _, path in self.rows]
        content = [[store.identity, sorted(store.failed)] for store in stores]
        own = {name: value for name, value in vars(self.settings).items() if name.startswith("tsne_")}
        return sha256_json([content, own])

    @property
    def path(self) -> Path:
        """Its file."""
        return self.folder / f"{self.name}-{self.key[:10]}{FIGURE_SUFFIX}"

    def describe(self, tell: Tell) -> FigureData:
        """Draw it, or take it as it was drawn before.

        Raises
        ------
        UserError
            When videos or classes are too few, a file lacks the layer, or videos have no class.
        """
        path = self.path
        with suppress(UserError):
            return self._named(FigureData.read(path))

        from p3d_eval.reports.figures.tsne import MapOptions, tsne_figure  # seconds to load, for maps alone

        def progress(description: str, total: int) -> Progress:
            return ToldProgress(description, total, f"iterations of t-SNE, {self.dataset}", tell)

        stores = [open_features(one) for _, one in self.rows]
        asked = self.settings
        options = MapOptions((asked.tsne_layer,), asked.tsne_videos, thumbnails=asked.tsne_thumbnails)
        drawn = tsne_figure(stores, options, videos=self.videos, progress=progress)
        drawn.write(path, overwrite=True)
        return self._named(drawn)

    def _named(self, data: FigureData) -> FigureData:
        """Call every panel as the tables call its row."""
        labels = [label for label, _ in self.rows]
        series = tuple(replace(one, name=label) for one, label in zip(data.series, labels, strict=True))
        sources = {
            label: data.sources[one.name]
            for one, label in zip(data.series, labels, strict=True)
            if one.name in data.sources
        }
        return replace(data, title=f"{data.title}, {self.dataset}", series=series, sources=sources)
