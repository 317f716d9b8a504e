"""Outputs are whole or absent."""

import hashlib
import os

import pytest

from p3d_eval.errors import UserError
from p3d_eval.files import atomic_output, file_name, followed, require_writable, write_text
from p3d_eval.provenance import sha256_file, sha256_json


def test_a_failed_write_leaves_neither_the_file_nor_a_temporary(tmp_path):
    target = tmp_path / "out.txt"
    with pytest.raises(ZeroDivisionError), atomic_output(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_failed_rewrite_keeps_the_old_contents(tmp_path):
    target = tmp_path / "out.txt"
    write_text(target, "old")
    with pytest.raises(ZeroDivisionError), atomic_output(target, overwrite=True) as temporary:
        temporary.write_text("new")
        raise ZeroDivisionError
    assert target.read_text() == "old"


def test_the_final_name_appears_only_when_everything_is_written(tmp_path):
    target = tmp_path / "deep" / "out.txt"
    with atomic_output(target) as temporary:
        temporary.write_text("all of it")
        assert not target.exists()
    assert target.read_text() == "all of it"


def test_an_existing_output_is_kept_without_overwrite(tmp_path):
    target = tmp_path / "out.txt"
    write_text(target, "first")
    with pytest.raises(UserError, match=r"out\.txt exists\n.*--overwrite"):
        write_text(target, "second")
    assert target.read_text() == "first"
    write_text(target, "second", overwrite=True)
    assert target.read_text() == "second"


def test_a_folder_and_a_folder_below_a_file_are_refused(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        write_text(tmp_path, "x")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        require_writable(tmp_path / "file" / "out.txt")


def test_checking_an_output_leaves_nothing_behind(tmp_path):
    require_writable(tmp_path / "deep" / "deeper" / "out.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_symbolic_link_is_followed_and_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "out.txt"
    link.symlink_to("disk/real.txt")
    assert followed(link) == tmp_path / "disk" / "real.txt"
    write_text(link, "first")
    write_text(link, "second", overwrite=True)
    assert link.is_symlink()
    assert (tmp_path / "disk" / "real.txt").read_text() == "second"


def test_a_full_disk_is_the_users_to_mend(tmp_path):
    with (
        pytest.raises(UserError, match=r"cannot write .*out\.txt: No space"),
        atomic_output(tmp_path / "out.txt"),
    ):
        raise OSError(28, "No space left on device")
    with pytest.raises(FileNotFoundError), atomic_output(tmp_path / "out.txt"):
        (tmp_path / "absent").read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write"):
        require_writable(tmp_path / "out.txt")


def test_hashes_are_sha256(tmp_path):
    data = bytes(range(256)) * 9000  # more than one block
    path = tmp_path / "data"
    path.write_bytes(data)
    assert sha256_file(path) == hashlib.sha256(data).hexdigest()
    assert sha256_json({"b": 1, "a": [2]}) == hashlib.sha256(b'{"a":[2],"b":1}').hexdigest()


def test_words_become_a_file_name():
    assert file_name("ucf101", "my net/v2 (C=1), x_1.5") == "ucf101-my-net-v2-C-1-x_1.5"


@pytest.mark.parametrize("letter", ["a", "界"])
def test_a_name_too_long_for_a_file_is_cut_and_told_apart(tmp_path, letter):
    one, other = file_name(letter * 600), file_name(letter * 601)
    assert one != other
    (tmp_path / f".{one}.scores.npz.tmp-0123456789abcdef").touch()
    assert one.startswith(letter * 50)
