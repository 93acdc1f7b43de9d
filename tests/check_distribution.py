"""Builds wheel and sdist and checks what is in them: nothing missing, nothing of the tests in the wheel."""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "django_authsignal"
HOUSE = ("README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md", "CONTRIBUTING.md", "Makefile", "setup.cfg")


def wanted() -> set[str]:
    """Every file of the package that git knows."""
    command = ["git", "ls-files", "django_authsignal"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.split("\n")) - {""}


def main() -> int:
    """0 when both are complete."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "build", "--outdir", out, str(ROOT)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wheel = set(zipfile.ZipFile(next(Path(out).glob("*.whl"))).namelist())
        with tarfile.open(next(Path(out).glob("*.tar.gz"))) as archive:
            names = archive.getnames()
    sdist = {name.partition("/")[2] for name in names}
    faults = [f"not in the wheel: {name}" for name in sorted(wanted() - wheel)]
    faults += [f"not in the sdist: {name}" for name in sorted((wanted() | set(HOUSE)) - sdist)]
    faults += [f"in the wheel by mistake: {n}" for n in sorted(wheel) if n.startswith(("tests/", "example_project/"))]
    print("\n".join(faults) or f"wheel: {len(wheel)} files, sdist: {len(sdist)} entries, both complete")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
