"""``caffe-pylayers example`` and ``install-caffe``."""

import shutil

import pytest

from caffe_pylayers.cli import install_caffe, main
from caffe_pylayers.cli.example import EXAMPLES


def test_the_list_is_that_of_the_folders(root, capsys):
    assert main([], verb="example") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == sorted(EXAMPLES) == sorted(path.name for path in (root / "prototxt").iterdir())


def test_the_files_are_the_repository_s(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["lenet"], verb="example") == 0
    out = capsys.readouterr().out
    for source in (root / "prototxt" / "lenet").iterdir():
        assert (tmp_path / "prototxt" / "lenet" / source.name).read_bytes() == source.read_bytes()
        assert f"prototxt/lenet/{source.name}\n" in out
    assert (tmp_path / "output" / "lenet").is_dir()  # which the caffe program does not make
    assert out.endswith(
        "train it with\n"
        "  caffe-pylayers mnist --output data/mnist\n"
        "  caffe-pylayers train --solver prototxt/lenet/solver.prototxt\n"
    )


def test_what_was_changed_stays(tmp_path, capsys):
    folder = tmp_path / "new" / "folder"
    assert main(["lenet", str(folder)], verb="example") == 0
    assert f"\n  cd {folder}\n" in capsys.readouterr().out
    mine = folder / "prototxt" / "lenet" / "solver.prototxt"
    mine.write_text("mine")
    mine.with_name("deploy.prototxt").unlink()
    assert main(["lenet", str(folder)], verb="example") == 0
    assert f"{mine}: there already, with other content; left as it is\n" in capsys.readouterr().out
    assert mine.read_text() == "mine"
    assert mine.with_name("deploy.prototxt").exists()


def test_mistakes_are_one_line(tmp_path, capsys):
    assert main(["lennet"], verb="example") == 1
    assert capsys.readouterr().err.endswith(
        ": no example 'lennet'; did you mean lenet?; there is " + ", ".join(EXAMPLES) + "\n"
    )
    (tmp_path / "file").touch()
    assert main(["lenet", str(tmp_path / "file")], verb="example") == 1
    assert capsys.readouterr().err.endswith("Not a directory\n")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_installer_is_run(tmp_path, capfd):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    assert main([str(tmp_path / "taken"), "--mirror", "http://127.0.0.1:9"], verb="install-caffe") == 1
    assert "taken is in use and was not made by this script" in capfd.readouterr().err


def test_the_installer_says_what_comes_next(tmp_path, monkeypatch, capfd):
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "install_caffe.sh").write_text('echo "installing $*"')
    monkeypatch.setattr(install_caffe, "shipped", lambda name: tmp_path / name)
    assert main(["--mirror", "a", "here", "--mirror", "b"], verb="install-caffe") == 0
    out = capfd.readouterr().out
    assert "installing --mirror a --mirror b here\n" in out
    assert "here/bin/python -m pip install caffe-pylayers\n" in out
