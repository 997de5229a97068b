"""Numbers that are infinite, or not there, in results."""

import json
import math

import pytest
from kit.results import result, trial

from repro.errors import ReproError
from repro.result import Result, read
from repro.value import from_json, to_json


def test_what_is_written_can_be_read_and_is_json():
    content = {"a": [1.5, math.inf, (-math.inf, math.nan)], "b": "inf", "c": None}
    written = to_json(content)
    assert written == {"a": [1.5, "inf", ["-inf", None]], "b": "inf", "c": None}
    json.dumps(written, allow_nan=False)
    assert [from_json(value) for value in (1, 1.5, "inf", "-inf")] == [1.0, 1.5, math.inf, -math.inf]
    assert math.isnan(from_json(None))


@pytest.mark.parametrize("text", ["nan", "Infinity", "1.5", ""])
def test_a_text_that_is_no_infinite_number_is_none_at_all(text):
    with pytest.raises(ValueError, match="is no number; infinite ones are inf and -inf"):
        from_json(text)


def measured(value):
    made = trial().model_copy(update={"measurements": {"test_loss": value}})
    return result([made])


@pytest.mark.parametrize("value", [0.5, math.inf, -math.inf, None])
def test_a_result_is_the_same_when_it_is_read_again(value, tmp_path):
    path = tmp_path / "x.json"
    path.write_text(measured(value).model_dump_json(by_alias=True))
    json.loads(path.read_text(), parse_constant=pytest.fail)
    assert read(path).trials[0].measurements == {"test_loss": value}


def test_nan_that_is_put_into_a_result_is_no_value_there():
    made = measured(0.5).model_dump()
    made["trials"][0]["measurements"]["test_loss"] = math.nan
    assert Result.model_validate(made).trials[0].measurements["test_loss"] is None


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e400", '"nan"'])
def test_a_token_that_json_does_not_have_makes_a_file_no_result(token, tmp_path):
    path = tmp_path / "x.json"
    text = measured(0.123456).model_dump_json(by_alias=True)
    path.write_text(text.replace("0.123456", token))
    assert token in path.read_text()
    place = r"trials\.0\.measurements\.test_loss"
    with pytest.raises(ReproError, match=rf"x\.json: not a result of schema 2: {place}"):
        read(path)
