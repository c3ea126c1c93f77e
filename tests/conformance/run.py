"""Runs Autobahn|Testsuite against both ends, at once, and the tests that read its reports.

The ends are EchoServer behind WsServer, and a client that echoes.

    tox -e autobahn                 all 517 cases: ten minutes, or more on a busy machine
    tox -e autobahn -- quick        301 of them and a taste of the compression, a minute
    tox -e autobahn -- 7 12.1       the groups 7 and 12.1
    tox -e autobahn -- --end client quick    one end alone
    tox -e autobahn -- --publish    all, and the summary tables into docs/conformance*.csv

The suite wants Python 2.7: ``python2.7`` on the PATH, or one among pyenv's versions. It gets an
environment of its own, kept in .autobahn beside this project's other folders; the reports are there
too, to be read in a browser: .autobahn/server/index.html and .autobahn/client/index.html.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FOLDER = ROOT / ".autobahn"
TABLES = {
    "server": ROOT / "docs" / "conformance.csv",
    "client": ROOT / "docs" / "conformance_client.csv",
}

# The last version of either that there is for Python 2.7.
PACKAGES = ["autobahntestsuite==25.10.1", "cryptography==3.3.2"]

ALL = [line.split()[0] for line in (HERE / "cases.txt").read_text().splitlines()]
# Each group of 12 and 13 is eighteen sizes of message; the fourth is 1,024 bytes.
QUICK = [case for case in ALL if int(case.split(".")[0]) <= 10 or case.split(".")[2] == "4"]

SECONDS = 3600
"""How long the suite may take: many times what it needs."""

GROUPS = {
    "1": "Framing",
    "2": "Pings and pongs",
    "3": "Reserved bits",
    "4": "Opcodes",
    "5": "Fragmentation",
    "6": "UTF-8",
    "7": "Closing",
    "9": "Limits and performance",
    "10": "Automatic fragmentation",
    "12": "Compression: kinds of data",
    "13": "Compression: parameters",
}


def select(names: list[str]) -> list[str]:
    """The cases that the command line asks for, in the suite's order."""
    if not names:
        return ALL
    chosen = set(QUICK) if "quick" in names else set()
    for name in names:
        found = {case for case in ALL if f"{case}.".startswith(f"{name}.")}
        if not found and name != "quick":
            sys.exit(f"{name}: no such case or group")
        chosen |= found
    return [case for case in ALL if case in chosen]


def findPython27() -> str:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [shutil.which("python2.7"), *sorted(pyenv.glob("versions/2.7*/bin/python2.7"))]
    for candidate in candidates:
        # On the PATH there may be a shim of pyenv's that only says what it would need.
        if candidate and not subprocess.run([candidate, "-V"], capture_output=True).returncode:
            return str(candidate)
    sys.exit("Autobahn|Testsuite wants Python 2.7: none on the PATH or among pyenv's versions")


def wstest() -> Path:
    """The suite's command, installed if it is not yet."""
    environment = FOLDER / "python2.7"
    command = environment / "bin" / "wstest"
    if not command.exists():
        python27 = findPython27()
        print(f"Installing Autobahn|Testsuite for {python27} ...", flush=True)
        virtualenv = [sys.executable, "-m", "virtualenv", "--quiet", "--clear"]
        pip = [environment / "bin" / "python", "-W", "ignore", "-m", "pip", "--quiet"]
        subprocess.run([*virtualenv, "--python", python27, environment], check=True)
        subprocess.run([*pip, "install", *PACKAGES], check=True)
    return command


def spec(end: str, cases: list[str], **what: object) -> list[str | Path]:
    """The suite's command, told what to do with an end of ours and where to put its report."""
    report = FOLDER / end
    shutil.rmtree(report, ignore_errors=True)
    report.mkdir(parents=True)
    (report / "asked.json").write_text(json.dumps(cases))
    file = FOLDER / f"{end}.json"
    file.write_text(json.dumps({"outdir": str(report), "cases": cases, **what}))
    mode = {"server": "fuzzingclient", "client": "fuzzingserver"}[end]
    return [wstest(), "--mode", mode, "--webport", "0", "--spec", file]


def testServer(cases: list[str]) -> None:
    """Let the suite loose on a server of ours."""
    with subprocess.Popen(
        [sys.executable, HERE / "server.py"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            url = f"ws://127.0.0.1:{int(server.stdout.readline())}"
            command = spec("server", cases, servers=[{"agent": "ratchet_py", "url": url}])
            with (FOLDER / "server.log").open("w") as log:
                subprocess.run(command, stdout=log, stderr=log, check=True, timeout=SECONDS)
        finally:
            server.send_signal(signal.SIGTERM)
    if server.returncode:
        sys.exit(f"the server ended with {server.returncode}")


def testClient(cases: list[str]) -> None:
    """Let a client of ours go to the suite."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{probe.getsockname()[1]}"
    command = spec("client", cases, url=url)
    asked = FOLDER / "client" / "asked.json"
    with (FOLDER / "client.log").open("w") as log:
        suite = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            client = [sys.executable, HERE / "client.py", url, asked]
            subprocess.run(client, check=True, timeout=SECONDS)
        finally:
            suite.terminate()
            suite.wait()


def publish(end: str) -> None:
    """Write the summary of a report for the documentation."""
    results = json.loads((FOLDER / end / "index.json").read_text())["ratchet_py"]
    columns = ["OK", "INFORMATIONAL", "NON-STRICT"]
    with TABLES[end].open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["Group", "Subject", "Cases", "OK", "Informational", "Non-strict", "Failed"])
        for group, title in [*GROUPS.items(), ("", "All")]:
            cases = [case for case in results if not group or case.split(".")[0] == group]
            count = Counter(results[case]["behavior"] for case in cases)
            good = [count[column] for column in columns]
            table.writerow([group, title, len(cases), *good, len(cases) - sum(good)])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="quick|GROUP|CASE", help="not all cases")
    parser.add_argument("--end", choices=TABLES, help="test the server or the client alone")
    parser.add_argument("--publish", action="store_true", help="write the tables of the docs")
    arguments = parser.parse_args()
    ends = [arguments.end] if arguments.end else list(TABLES)
    cases = select(arguments.cases)
    if arguments.publish and cases != ALL:
        parser.error("only a run of all cases is published")
    wstest()
    for end in TABLES:
        # What an earlier run has left would be read as this one's.
        shutil.rmtree(FOLDER / end, ignore_errors=True)
    print(f"{len(cases)} cases for the {' and the '.join(ends)} ...", flush=True)
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit({"server": testServer, "client": testClient}[e], cases) for e in ends]
        for run in runs:
            run.result()
    tests = HERE / "test_autobahn.py"
    failed = subprocess.run([sys.executable, "-m", "pytest", "-q", tests], cwd=ROOT).returncode
    if arguments.publish and not failed:
        for end in ends:
            publish(end)
    return failed


if __name__ == "__main__":
    sys.exit(main())
