"""What content keys hold: what was set, and nothing that changes no number."""

from p3d_eval.study.content import changed, extract_content
from p3d_eval.study.settings import COMPANY, ExtractSettings


def test_options_that_have_their_default_are_not_part_of_the_content():
    # A release with one more option would otherwise make every study from the beginning.
    assert set(extract_content(ExtractSettings())) == {"precision", "decoder"}
    assert extract_content(ExtractSettings(seed=0, sampling="uniform")) == extract_content(ExtractSettings())
    assert changed(ExtractSettings(clips=3, mirror=True)) == {"clips": 3, "mirror": True}


def test_what_changes_no_number_is_not_part_of_the_content_and_all_else_is():
    usual = extract_content(ExtractSettings())
    company = ExtractSettings(
        device="cpu", processes=2, batch_size=3, workers=0, video_timeout=1.0, compile="off"
    )
    assert set(changed(company)) == set(COMPANY)
    assert extract_content(company) == usual
    for one in ({"layers": "prob"}, {"clips": 3}, {"seed": 1}, {"dtype": "float16"}, {"resize": 128}):
        assert extract_content(ExtractSettings(**one)) != usual
