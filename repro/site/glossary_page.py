"""The glossary: what the words of the site mean, in plain language."""

from repro.evidence import LOOKS
from repro.site.element import element
from repro.site.page import page

WORDS = {
    "paper, suite, profile": (
        "A suite is a file that states what a paper says, with the nets that it compares. A profile "
        "is the scale at which it is tried: cpu is small nets on small images, minutes on two cores; "
        "gpu is what one GPU of 24 GB does in a night; paper is the paper’s own recipe and data."
    ),
    "claim": (
        "A sentence of a paper, written as a comparison of numbers that is true or false: "
        "test_error(plain56) > test_error(plain20)."
    ),
    "arm": (
        "One side of a comparison: a net, and how it is trained. Two arms of a claim differ in one thing."
    ),
    "ledger": (
        "The list of statements of papers that are to be tested, each with its place in the paper. A claim "
        "names the entries that it tests: RS02, say."
    ),
    "seed": (
        "What the random start of a training, and the order of its images, are drawn from. Two seeds "
        "are two trainings that differ in luck alone. Of what is timed, a seed is a round: every net "
        "once, in a process of its own."
    ),
    "margin": (
        "By how much the claim holds, seed by seed: test_error(plain56) − test_error(plain20). Above "
        "0 it holds for that seed, below 0 it does not. The margin of a claim is the mean over its "
        "seeds; of several parts, that of the weakest."
    ),
    "spread": (
        "The standard deviation of the margins over the seeds. A margin of 3 spreads is three times "
        "as large as what a seed typically changes."
    ),
    "interval": (
        "All margins that the seeds seen so far still leave possible. If it lies right of 0 the claim "
        "is reproduced, if left of 0 it is refuted. More seeds make it narrower."
    ),
    "verdict": (
        "Reproduced: the seeds show it, and if there is nothing to a claim, that happens one time in "
        "twenty at most. Refuted: the seeds show the contrary as clearly. Undecided: they show "
        "neither, which is no evidence against it."
    ),
    "look": (
        f"Verdicts are asked for after {', '.join(map(str, LOOKS[:-1]))} and {LOOKS[-1]} seeds, "
        "as far as a suite allows, and never before the first of these. Looking more than once is paid "
        "for: all looks together stay within the level."
    ),
    "level (alpha)": (
        "How often a claim to which there is nothing may be reproduced by chance: 0.05 unless a suite "
        "says less."
    ),
    "as expected": (
        "Most claims are expected to be reproduced. Where pilots at a small scale showed another "
        "verdict, the suite says so, with the reason; then that verdict is as expected, and is marked "
        "“as known”."
    ),
    "pilot": (
        "A training with a seed from 1000 up, which never judges. Recipes are chosen on pilots, so that the "
        "seeds that judge have had no part in the choice."
    ),
    "trivial": (
        "An arm that answers no better than naming the most frequent class every time. What is "
        "claimed of it is no evidence."
    ),
    "contested": ("All seeds there are would not give the verdict that the first of them gave."),
    "formulation": (
        "A claim that was worded anew after its seeds had been seen has had another chance. Every "
        "wording is kept, and its number is told."
    ),
    "without seeds": (
        "Numbers of an architecture, such as its parameters, are the same each time: they hold or "
        "they do not, and chance has no part in it."
    ),
}


def glossary_page() -> str:
    return page(
        "Glossary",
        element("h1", "Glossary"),
        element("p", "What the words on these pages mean.", class_="lead"),
        element(
            "dl",
            [
                (element("dt", word, id=word.split()[0].strip(",")), element("dd", said))
                for word, said in WORDS.items()
            ],
            class_="glossary",
        ),
    )
