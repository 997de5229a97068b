"""Results that no training made: a test's trials and timings, and nothing surprising in the rest."""

from repro.result import (
    ArmResult,
    ClaimResult,
    Environment,
    Evidence,
    PartResult,
    Result,
    TimingResult,
    TrialResult,
)

FACTS = {
    "repro": "0.1.0",
    "dirty": False,
    "python": "3.12.1",
    "system": "Linux",
    "cpu": "cpu x",
    "cores": 2,
}
KEY = {"device": "cpu x", "driver": None, "torch": "2.9.0", "precision": "fp32"}


def trial(arm="a", seed=0, *, error=0.3, speed=1000.0, memory=1e8, peak=None, digest=None, curves=None):
    return TrialResult(
        arm=arm,
        seed=seed,
        digest=digest or f"{arm}-{seed}-{error}",
        measurements={"test_error": error},
        curves=curves or {},
        cost={
            "images_per_second": speed,
            "seconds": 6400 / speed,
            "evaluation_seconds": 100 / speed,
            "peak_memory_bytes": memory,
            "matmul_peak_flops_per_second": peak,
        },
    )


def timing(
    arm="a",
    seed=0,
    *,
    latency=20.0,
    memory=3e7,
    energy=None,
    peak=1e12,
    digest=None,
    region="a forward pass",
    **settings,
):
    """A round's net, named by what differs from a batch of one of 64×64 images."""
    special = ", ".join(f"{key}={value}" for key, value in sorted(settings.items()))
    settings = {"batch_size": 1, "size": 64, **settings}
    costs = {
        "latency": latency,
        "throughput": 1000 * settings["batch_size"] / latency,
        "peak_memory": memory,
        "energy": energy,
    }
    return TimingResult(
        arm=arm,
        name=f"{arm}({special})" if special else arm,
        seed=seed,
        digest=digest or f"round-{seed}-{latency}",
        timing=settings,
        region=region,
        seconds=(latency / 1000, latency / 900),
        measurements={name: value for name, value in costs.items() if value is not None},
        matmul_peak_flops_per_second=peak,
    )


def claim(verdict="reproduced", expected="reproduced"):
    part = PartResult(
        text="test_error(a) < test_error(b)",
        margins=(0.1,) * 5,
        holds=None,
        estimate=0.1,
        interval=(0.05, None),
        verdict="reproduced",
        decided_at=5,
    )
    evidence = Evidence(
        seeds=(0, 1, 2, 3, 4),
        estimate=0.1,
        interval=(0.05, None),
        alpha=0.05,
        decided_at=5,
        parts=(part,),
    )
    return ClaimResult(
        says="a is better than b.",
        expect="test_error(a) < test_error(b)",
        source=None,
        ledger=(),
        verdict=verdict,
        expected=expected,
        as_expected=verdict == expected,
        reported={},
        because=None,
        evidence=evidence,
        values={"params(counted)": (7.0,)},
        seconds=10.0,
    )


def commit(night):
    """The code of a night."""
    return f"{night:04x}".ljust(40, "0")


def result(
    trials=(), claims=None, *, suite="made-up", profile="cpu", night=1, key=KEY, arms=None, timings=(), **rest
):
    """The result of a night: 1 is the 1st of January 2026, and so on."""
    month, day = divmod(night - 1, 28)
    finished = f"{2026 + month // 12}-{month % 12 + 1:02}-{day + 1:02}"
    names = dict.fromkeys([*(t.arm for t in (*trials, *timings)), *(arms or ())])
    filled = {
        "task": "classification",
        "suite_digest": "d" * 32,
        "complete": True,
        "falsely_reproduced": 0.05,
        "pictures": {},
        **rest,
    }
    return Result(
        id=f"{finished.replace('-', '')}T020000Z-{suite[:6]}",
        suite=suite,
        file=f"suites/{suite}.yaml",
        profile=profile,
        paper=None,
        about=None,
        arms={
            name: ArmResult(
                model="net", options=(arms or {}).get(name, {}), data=None, recipe=None, weights=None
            )
            for name in names
        },
        environment=Environment(key=(key,) if key else (), facts={**FACTS, "commit": commit(night)}),
        trials=tuple(trials),
        timings=tuple(timings),
        claims={"better": claim()} if claims is None else claims,
        command=f"repro run suites/{suite}.yaml",
        finished=f"{finished}T02:00:00Z",
        **filled,
    )
