"""What pyproject.toml cannot say: the folder `suites` goes into the wheel, as `repro/suites`."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SUITES = Path("suites")
SUFFIXES = (".yaml", ".json")


class WithSuites(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:  # then they are read where they are
            return
        for path in sorted(path for path in SUITES.rglob("*") if path.suffix in SUFFIXES):
            copy = Path(self.build_lib, "repro", path)
            self.mkpath(str(copy.parent))
            self.copy_file(str(path), str(copy))


setup(cmdclass={"build_py": WithSuites})
