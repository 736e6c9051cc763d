from __future__ import annotations

from experiments import coverage


def test_ids_count_where_code_names_them_and_tests_are_marked(tmp_path):
    files = {
        "agents/roles/cpo.py": '"""Does CPO-9."""\nFUNCTIONS = ("CPO-1", "CPO-2")\n',
        "agents/roles/functions.py": 'FUNCTIONS = (("CPO-3", "CPO", "x"),)\n',
        "markets/x.py": 'def f():\n    """CPO-3"""\n    return "CPO-1"\n',
        "grid/x.py": "",
        "tests/test_a.py": 'import pytest\n@pytest.mark.function("CPO-1", "CPO-4")\ndef test(): pass\n',
        "tests/test_b.py": 'import pytest\npytestmark = pytest.mark.function("CPO-1")\nx = "CPO-2"\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    ids = {f"CPO-{n}" for n in range(1, 10)}
    assert coverage.code_places(ids, tmp_path) == {
        "CPO-1": ["agents/roles/cpo.py", "markets/x.py"],
        "CPO-2": ["agents/roles/cpo.py"],
    }
    assert coverage.test_places(tmp_path) == {
        "CPO-1": ["tests/test_a.py", "tests/test_b.py"],
        "CPO-4": ["tests/test_a.py"],
    }
