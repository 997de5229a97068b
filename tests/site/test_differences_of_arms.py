"""What differs between arms, as a claim's page shows it."""

from repro.result import ArmResult
from repro.site.arms import ABSENT, differences

NET = {
    "model": "fcn",
    "options": {"skips": 0},
    "data": {"name": "scenes"},
    "recipe": {"steps": 3},
    "weights": None,
}


def test_a_treatment_and_frozen_modules_are_differences():
    arms = {
        "net": ArmResult(**NET),
        "with_crf": ArmResult(**NET, of="net", after={"name": "crf", "iterations": 5}),
        "frozen": ArmResult(**NET, freeze=("trunk", "fc")),
    }
    differing, common = differences(arms)
    assert differing == {
        "after.name": [ABSENT, "crf", ABSENT],
        "after.iterations": [ABSENT, "5", ABSENT],
        "freeze": [ABSENT, ABSENT, "trunk, fc"],
    }
    assert common == {"model": "fcn", "skips": "0", "data.name": "scenes", "recipe.steps": "3"}
