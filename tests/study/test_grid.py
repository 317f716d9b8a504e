"""The cells of a study file."""

from tests.support.tiny_study import DOCUMENT, study_of


def test_cells_are_the_product_of_rows_data_sets_protocols_and_lists(folder):
    study = study_of(folder / "study.toml")
    assert [cell.name for cell in study.extractions] == ["extract one on tiny", "extract two on tiny"]
    assert [cell.name for cell in study.evaluations] == [
        "ucf101 C=1 on one, tiny",
        "ucf101 C=10 on one, tiny",
        "ucf101 C=1 on two, tiny",
        "ucf101 C=10 on two, tiny",
        "retrieval on one, tiny",
        "retrieval on two, tiny",
    ]
    assert study.folder == folder / "study"


def test_extraction_options_of_a_row_come_before_a_data_sets_and_these_before_the_files(written):
    text = DOCUMENT.replace('videos = "videos"', 'videos = "videos"\nclips = 3\nprecision = "fp32"')
    study = study_of(written(text.replace("seed = 1", "seed = 1\nclips = 4")))
    one, two = study.extractions
    assert (one.extract.clips, one.extract.precision, one.extract.seed) == (3, "fp32", 0)
    assert (two.extract.clips, two.extract.precision, two.extract.seed) == (4, "fp32", 1)


def test_keys_may_have_dashes_as_on_the_command_line(written):
    text = DOCUMENT.replace("clips = 2", "clips = 2\nclip-length = 6").replace(
        "figures =", "tsne-videos = 9\nfigures ="
    )
    text = text.replace("seed = 1", "seed = 1\nframe-stride = 3").replace(
        "C = [1, 10]", 'allow-missing = "wrong"'
    )
    study = study_of(written(text))
    assert [cell.extract.clip_length for cell in study.extractions] == [6, 6]
    assert study.extractions[1].extract.frame_stride == 3
    assert study.report.tsne_videos == 9
    assert study.evaluations[0].options["allow_missing"] == "wrong"


def test_rows_that_no_protocol_wants_are_not_extracted(written):
    study = study_of(written(DOCUMENT.replace('layer = "flat"', 'layer = "flat"\nbackbones = ["two"]')))
    assert [cell.row for cell in study.extractions] == ["two"]


def test_a_file_extends_another_key_by_key(written):
    written(DOCUMENT, "base.toml")
    over = 'extends = "base.toml"\nout = "elsewhere"\n[extract]\nclips = 5\n[backbones.two]\nseed = 7\n'
    study = study_of(written(over))
    one, two = study.extractions
    assert study.folder.name == "elsewhere"
    assert (one.extract.clips, one.extract.layers, two.extract.seed) == (5, "flat", 7)


def test_fused_rows_need_the_features_of_their_parts(written):
    text = DOCUMENT.replace("[datasets.tiny]", '[backbones.both]\nfuse = ["one", "two"]\n[datasets.tiny]')
    study = study_of(written(text))
    assert [cell.row for cell in study.extractions] == ["one", "two"]
    rows = [cell.row for cell in study.evaluations if cell.protocol == "ucf101"]
    assert rows == ["one", "one", "two", "two", "both", "both"]
    # retrieval takes one feature file
    assert [cell.row for cell in study.evaluations if cell.protocol == "retrieval"] == ["one", "two"]
