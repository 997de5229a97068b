"""The small suite with a ledger above it, and all that is wrong with it: what tests of checking share."""

import json

import pytest
from kit.small_suite import SUITE

from repro.document import DocumentError
from repro.reading import load


@pytest.fixture
def suites(tmp_path):
    """The folder of suites, with a ledger in it. The small suite stands two folders further down."""
    (tmp_path / "ledger.json").write_text(json.dumps([{"id": "A1"}, {"id": "B2"}]))
    (tmp_path / "deep" / "down").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def errors(suites):
    """The errors of the small suite with pieces replaced, as `LINE:COL: message`.

    Those of other files have their name before it.
    """
    path = suites / "deep" / "down" / "x.yaml"

    def errors(*changes):
        text = SUITE
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path.write_text(text)
        try:
            load(path)
        except DocumentError as error:
            lines = str(error).split("\n")
            return [line.removeprefix(f"{path}:").removeprefix(f"{suites}/") for line in lines]
        return []

    return errors
