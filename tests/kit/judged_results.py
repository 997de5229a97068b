"""Results that no training made: classes of `repro.result` with random numbers, judged as real ones are."""

import math

import numpy as np
from PIL import Image

from repro.expectation import parse
from repro.result import (
    ArmResult,
    ClaimResult,
    Environment,
    PictureResult,
    Result,
    TimingResult,
    TrialResult,
    evidence_of,
    falsely_reproduced,
    write,
)
from repro.suite import Rules
from repro.value import known
from repro.verdict import decide

STEPS = 200
PAPER = {"title": "Deep Residual Learning for Image Recognition", "arxiv": "1512.03385", "venue": "CVPR 2016"}
ENVIRONMENT = {"device": "Some CPU", "driver": None, "precision": "bf16", "torch": "2.9.0"}
FACTS = {
    "repro": "0.1.0",
    "commit": None,
    "dirty": None,
    "python": "3.12.1",
    "system": "Linux",
    "cpu": "Some CPU",
    "cores": 2,
}
DEPTHS = {"plain20": 20, "plain56": 56, "resnet20": 20, "resnet56": 56}


def claim(
    expect,
    values,
    *,
    says="The deeper one is worse.",
    expected="reproduced",
    because=None,
    reported=None,
):
    """A claim judged on `values`: for each measurement a number a seed, or one if it needs no seeds."""
    seeds = range(max(map(len, values.values())))
    static = {name for name, numbers in values.items() if len(numbers) == 1}
    if len(static) == len(values):
        seeds = range(0)
    judged = decide(
        parse(expect),
        seeds,
        lambda m, i: values[str(m)][i % len(values[str(m)])],
        lambda m: str(m) in static,
        0.05,
    )
    return ClaimResult(
        says=says,
        expect=expect,
        source="Fig. 1",
        ledger=("RS02",),
        verdict=judged.verdict,
        expected=expected,
        as_expected=judged.verdict == expected and not judged.is_contested(0.05),
        reported=reported or {},
        because=because,
        why=judged.why,
        contested=judged.is_contested(0.05),
        evidence=evidence_of(judged, seeds, Rules()),
        values={name: tuple(map(known, map(float, numbers))) for name, numbers in values.items()},
        seconds=95.0,
    )


def compared(effect, seeds=10, random=None, **options):
    """`test_error(plain56) > test_error(plain20)`, by `effect` standard deviations."""
    random = random or np.random.default_rng(1)
    base = random.normal(0.2, 0.02, seeds)
    deeper = base + 0.05 * effect + random.normal(0, 0.05, seeds)
    values = {"test_error(plain56)": deeper.tolist(), "test_error(plain20)": base.tolist()}
    return claim("test_error(plain56) > test_error(plain20)", values, **options)


def sized(more=True, **options):
    """A claim without seeds."""
    relation = ">" if more else "<"
    return claim(
        f"params(plain56) {relation} params(plain20)",
        {"params(plain56)": [855_770], "params(plain20)": [272_474]},
        **options,
    )


def trial(arm, seed, *, steps=STEPS, rate=900.0, measurements=None):
    random = np.random.default_rng([seed, DEPTHS.get(arm, 1)])
    at = range(1, steps + 1)
    falls = [2.3 * math.exp(-step / 80) + 0.3 + 0.004 * DEPTHS.get(arm, 1) for step in at]
    loss = [fall + float(noise) for fall, noise in zip(falls, random.normal(0, 0.08, steps), strict=True)]
    error = [min(1.0, value / 3) for value in loss]
    test = [(step, error[step - 1] + 0.03) for step in at if step % 50 == 0]
    return TrialResult(
        arm=arm,
        seed=seed,
        digest=f"{arm}{seed}",
        measurements=measurements
        or {"test_error": test[-1][1] if test else error[-1], "train_error": error[-1]},
        curves={
            "batch_loss": list(zip(at, loss, strict=True)),
            "batch_error": list(zip(at, error, strict=True)),
            "test_error": test,
        },
        cost={
            "seconds": 12.0 + float(random.normal()),
            "images_per_second": rate * 20 / DEPTHS.get(arm, 20) + float(random.normal(0, 20)),
            "peak_memory_bytes": 900.0 * 2**20,
            "params": 13_000.0 * DEPTHS.get(arm, 1),
            "macs": 2_000_000.0 * DEPTHS.get(arm, 1) ** 1.1,
            "share_of_matmul_peak": 0.09,
        },
    )


def timing(
    arm, number, *, energy=False, region="a forward pass of a batch, until the device is done", **settings
):
    """A round's net: 1 ms a layer and image, half of it for each of a batch, and 1 MiB a layer."""
    random = np.random.default_rng([number, DEPTHS.get(arm, 1), len(settings)])
    special = ", ".join(f"{key}={value}" for key, value in sorted(settings.items()))
    settings = {"batch_size": 1, "size": 112, "runs": 3, "precision": "fp32", **settings}
    passes = [
        DEPTHS.get(arm, 20) * (1 + settings["batch_size"]) / 2 * float(n)
        for n in np.exp(random.normal(0, 0.05, 3))
    ]
    latency = sorted(passes)[1]
    measurements = {"latency": latency, "throughput": 1000 * settings["batch_size"] / latency}
    return TimingResult(
        arm=arm,
        name=f"{arm}({special})" if special else arm,
        seed=number,
        digest=f"round{number}",
        timing=settings,
        region=region,
        seconds=tuple(milliseconds / 1000 for milliseconds in passes),
        measurements=measurements
        | {"peak_memory": DEPTHS.get(arm, 20) * 2.0**20}
        | ({"energy": 0.5} if energy else {}),
        matmul_peak_flops_per_second=1e11,
    )


def timed(rounds=6, **options):
    """`latency(plain56) > latency(plain20)` and the timings it rests on, with a batch of eight beside."""
    timings = [timing(arm, n) for n in range(rounds) for arm in ("plain20", "plain56")]
    timings += [timing("plain20", n, batch_size=8) for n in range(rounds)]
    values = {
        f"latency({arm})": [t.measurements["latency"] for t in timings if t.name == arm]
        for arm in ("plain56", "plain20")
    }
    return claim(
        "latency(plain56) > latency(plain20)", values, says="The deeper one takes longer.", **options
    ), timings


def arm(depth=20, residual=False, **recipe):
    return ArmResult(
        model="cifar_resnet",
        options={"depth": depth, "residual": residual, "width": 8},
        data={"name": "fashion-mnist-small", "size": 14},
        recipe={"steps": STEPS, "optimizer": {"name": "sgd", "lr": 0.1}, **recipe},
        weights=None,
    )


ARMS = {name: arm(depth, name.startswith("res")) for name, depth in DEPTHS.items()}


def result(
    claims,
    *,
    suite="resnet-degradation",
    profile="cpu",
    run=0,
    trials=(),
    timings=(),
    arms=None,
    pictures=None,
    complete=True,
    **changes,
):
    """The run number `run` of a suite, an hour after the one before."""
    moment = f"2026-11-{1 + run // 24:02}T{run % 24:02}:00:00Z"
    made = Result(
        id=f"{moment.replace('-', '').replace(':', '')}-{run:06x}",
        suite=suite,
        suite_digest="5ca1ab1e" * 8,
        file=f"suites/{suite}.yaml",
        profile=profile,
        paper=PAPER,
        about="The paper's CIFAR experiment, with narrow nets.",
        task="classification",
        arms=arms or ARMS,
        environment=Environment(key=(ENVIRONMENT,), facts=FACTS),
        trials=tuple(trials),
        timings=tuple(timings),
        claims=claims,
        pictures=pictures or {},
        complete=complete,
        falsely_reproduced=falsely_reproduced(claims.values()),
        command=f"repro run suites/{suite}.yaml --profile {profile}",
        finished=moment,
    )
    return made.model_copy(update=changes)


def keep(folder, *results):
    """As `repro run` writes them; gives their paths."""
    return [write(each, folder) for each in results]


def picture(folder, made, name="predictions"):
    """A PNG file beside a result, and the entry for it."""
    path = folder / made.suite / made.profile / made.id / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise((240, 120), 60).save(path)
    return {
        name: PictureResult(
            file=f"{made.id}/{name}.png", says="What each net takes for what.", arms=("plain20", "plain56")
        )
    }
