from __future__ import annotations

import importlib.util
import os

from tvseg_bench.benchmark.compiled import fingerprint

HEAD = "from tvseg_bench.benchmark.compiled import compiled\n"
INNER = HEAD + "@compiled()\ndef inner(x):\n    return x + {}\n"
OUTER = HEAD + "from inner import inner\n\n@compiled()\ndef outer(x):\n    return inner(x)\n"


def load(folder, name):
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_a_new_process_sees_it(folder, monkeypatch):
    fingerprint.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "inner", load(folder, "inner"))
    return load(folder, "outer").outer


def test_no_kernel_outlives_an_edit_of_one_it_calls(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    for name, text in (("inner", INNER.format(1)), ("outer", OUTER)):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    assert as_a_new_process_sees_it(tmp_path, monkeypatch)(40) == 41
    again = as_a_new_process_sees_it(tmp_path, monkeypatch)
    assert again(40) == 41
    assert sum(again.stats.cache_hits.values()) == 1  # an unchanged folder is not compiled again
    before = (tmp_path / "inner.py").stat()
    (tmp_path / "inner.py").write_text(INNER.format(2), encoding="utf-8")
    os.utime(tmp_path / "inner.py", (before.st_atime, before.st_mtime))
    assert as_a_new_process_sees_it(tmp_path, monkeypatch)(40) == 42


def test_the_fingerprint_reads_every_file_with_kernels_and_its_name(tmp_path):
    def of(**files):
        for path in tmp_path.iterdir():
            path.unlink()
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(f"\n@compiled{text}", encoding="utf-8")
        (tmp_path / "other.py").write_text("no kernel", encoding="utf-8")
        fingerprint.cache_clear()
        return fingerprint(tmp_path)

    prints = {of(a="1", b="2"), of(a="1", b="3"), of(a="2", b="1"), of(a="12", b=""), of(c="1")}
    assert len(prints) == 5
    assert of(a="1", b="2") in prints
    (tmp_path / "other.py").write_text("still none", encoding="utf-8")
    fingerprint.cache_clear()
    assert fingerprint(tmp_path) in prints
