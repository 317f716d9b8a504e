"""A protocol that judges a network's own class scores, made from what differs between data sets."""

from collections.abc import Callable, Mapping, Sequence

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, AnnotationReader, Protocol
from p3d_eval.protocols.recognition import Measures, RecognitionOptions, recognise
from p3d_eval.protocols.result import Result
from p3d_eval.protocols.tasks import Task

MakeTask = Callable[[Mapping[str, bytes], Sequence[str]], Task]


def recognition_protocol(
    measures: Measures,
    summary: str,
    reader: AnnotationReader,
    annotations: AnnotationOption,
    make_task: MakeTask,
) -> Protocol:
    """Make a protocol.

    Its result has ``clip_WORDk`` and ``video_WORDk`` for the numbers of guesses in ``measures``.

    Parameters
    ----------
    measures : Measures
        Its name, version, and what it reports.
    summary : str
        One line for ``--help``.
    reader : AnnotationReader
    annotations : AnnotationOption
    make_task : callable
        Contents of the official files, and ids of the store, to the task.
    """

    def run(store: FeatureStore, found: AnnotationFiles | None, options: RecognitionOptions) -> Result:
        if found is None:
            raise UserError(
                f"{measures.protocol}: the official files are needed", "Give them with --annotations"
            )
        files = found.files
        return recognise(measures, store, lambda: make_task(files, store.expected_ids), found, options)

    return Protocol(
        name=measures.protocol,
        version=measures.version,
        summary=summary,
        options=RecognitionOptions,
        run=run,
        reader=reader,
        annotation_option=annotations,
        needs_annotations=True,
        fuses=True,
    )
