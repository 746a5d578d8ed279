"""scripts/_init_paths.py: the scripts need no installation."""

import subprocess
import sys

SHOW = "import sys; sys.path.insert(0, sys.argv[1]); import _init_paths; print('\\n'.join(sys.path))"


def paths(root, **env):
    """sys.path after the import; without the interpreter's own packages: this one may be among them."""
    command = [sys.executable, "-S", "-c", SHOW, str(root / "scripts")]
    run = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return run.stdout.splitlines()


def test_package_and_bare_names(root):
    expected = [str(root / "scripts"), str(root), str(root / "caffe_pylayers" / "bare")]
    assert paths(root)[:3] == expected
    again = paths(root, PYTHONPATH=str(root))
    assert again.count(str(root)) == 1
    assert expected[2] in again


def test_caffe_root_where_no_caffe_is_installed(root, tmp_path):
    (tmp_path / "python").mkdir()
    assert str(tmp_path / "python") in paths(root, CAFFE_ROOT=str(tmp_path))
    other = tmp_path / "other"
    (other / "caffe").mkdir(parents=True)
    (other / "caffe" / "__init__.py").touch()
    there = paths(root, CAFFE_ROOT=str(tmp_path), PYTHONPATH=str(other))
    assert str(tmp_path / "python") not in there
