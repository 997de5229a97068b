"""The ledger above a suite, and ids that it does not have."""

import pytest
from kit.small_suite import SUITE

from repro.errors import ReproError
from repro.reading import load


def test_without_a_ledger_above_it_a_suite_may_name_any_id(tmp_path):
    (tmp_path / "x.yaml").write_text(SUITE.replace("A1", "Z99"))
    assert load(tmp_path / "x.yaml").claims["worse"].ledger == ("Z99",)


@pytest.mark.parametrize("text", ["{", "[5]", '[{"name": "A1"}]', "5"])
def test_a_ledger_that_is_none_is_named(tmp_path, text):
    (tmp_path / "x.yaml").write_text(SUITE)
    (tmp_path / "ledger.json").write_text(text)
    with pytest.raises(ReproError, match=r"ledger\.json: not a ledger: "):
        load(tmp_path / "x.yaml")
