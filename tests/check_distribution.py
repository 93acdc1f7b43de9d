"""Builds wheel and sdist and checks what is in them: nothing missing, nothing of the tests in the wheel, no warning."""

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("django_authsignal", "example_project", "tests", "docs", "benchmarks")
HOUSE = ("README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md", "CONTRIBUTING.md", "Makefile", "setup.cfg")


def known(*folders: str) -> set[str]:
    """Every file in these folders that git knows."""
    command = ["git", "ls-files", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.split("\n")) - {""}


def main() -> int:
    """0 when both are complete."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "build", "--outdir", out, str(ROOT)]
        # It warns where Python may write no bytecode, which has nothing to do with what is built.
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        built = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if built.returncode:
            print(built.stdout)
            return built.returncode
        wheel = set(zipfile.ZipFile(next(Path(out).glob("*.whl"))).namelist())
        with tarfile.open(next(Path(out).glob("*.tar.gz"))) as archive:
            names = archive.getnames()
    sdist = {name.partition("/")[2] for name in names}
    faults = [f"not in the wheel: {name}" for name in sorted(known("django_authsignal") - wheel)]
    faults += [f"not in the sdist: {name}" for name in sorted((known(*FOLDERS) | set(HOUSE)) - sdist)]
    faults += [f"in the wheel by mistake: {n}" for n in sorted(wheel) if n.startswith(("tests/", "example_project/"))]
    # Setuptools only warns of what it leaves out, or soon will.
    faults += [f"the build says: {line}" for line in built.stdout.splitlines() if "warning" in line.lower()]
    print("\n".join(faults) or f"wheel: {len(wheel)} files, sdist: {len(sdist)} entries, both complete")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
