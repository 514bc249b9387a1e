"""The cold chain cryptlet: known answers, samples, and what a file must not do."""

import importlib.util
import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptlets.contract.cold_chain import kinetics
from cryptlets.contract.cold_chain.judge import LABEL, ColdChain, Verdict
from cryptlets.contract.cold_chain.kinetics import mean_kinetic_millicelsius
from cryptlets.contract.cold_chain.logger_file import Reading, parse
from cryptlets.contract.cold_chain.samples.generate import SAMPLES, Kind, generate
from cryptlets.contract.cold_chain.series import clean
from fabric.core.errors import Malformed
from fabric.sdk import InvalidInput
from fabric.sdk.testing import AS_OF, context, run
from tests.support.projects import SAMPLES as FOLDER

START = datetime(2025, 1, 1, tzinfo=UTC)
HEAD = "Device,TL\nSerial number,S-1\nShipment,PH-1\n\nNo.,Timestamp,Temperature (°C)\n"


def file_of(*celsius: float | str, minutes: int = 10, head: str = HEAD) -> bytes:
    """Returns a file with one reading each ten minutes."""
    times = (START + timedelta(minutes=minutes * at) for at in range(len(celsius)))
    return (
        head + "".join(f"1,{time.isoformat()},{value}\n" for time, value in zip(times, celsius, strict=True))
    ).encode()


def judge(log: bytes, *, as_of: int = AS_OF) -> Verdict:
    return run(ColdChain, "judge", log, context(as_of=as_of), output=Verdict)


# --- mean kinetic temperature


def test_a_hand_example() -> None:
    """Readings of 2 °C and 8 °C, n = 2, dH/R = 10,000 K, by pocket calculator.

    e^(-10000/275.15) = 1.64469e-16 and e^(-10000/281.15) = 3.57212e-16; their mean is 2.60840e-16, minus its logarithm
    35.88262; 10000 / 35.88262 = 278.6864 K = 5.536 °C. It lies above the arithmetic mean of 5 °C: warmth does more harm
    than cold undoes.
    """
    assert mean_kinetic_millicelsius([2_000, 8_000]) == 5_536


def test_a_steady_temperature_is_its_own_mean() -> None:
    for value in (-20_000, 0, 5_000, 25_000, 40_123):
        assert mean_kinetic_millicelsius([value] * 7) == value


@given(st.lists(st.integers(-50_000, 80_000), min_size=1, max_size=30))
def test_it_is_what_the_formula_gives(values: list[int]) -> None:
    rates = [math.exp(-83_144 / 8.3144 / (value / 1000 + 273.15)) for value in values]
    expected = 83_144 / 8.3144 / -math.log(math.fsum(rates) / len(rates)) - 273.15
    assert abs(mean_kinetic_millicelsius(values) - expected * 1000) <= 0.5 + 1e-6
    assert min(values) <= mean_kinetic_millicelsius(values) <= max(values)
    assert mean_kinetic_millicelsius(reversed(values)) == mean_kinetic_millicelsius(values)


def test_another_decimal_library_gives_the_same_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own implementation instead of libmpdec: what one machine has and another one has not."""
    monkeypatch.setitem(sys.modules, "decimal", importlib.import_module("_pydecimal"))
    spec = importlib.util.spec_from_file_location("other_kinetics", kinetics.__file__)
    assert spec is not None
    assert spec.loader is not None
    other = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(other)
    assert type(other.GAS_CONSTANT) is not type(kinetics.GAS_CONSTANT)
    for values in ([2_000, 8_000], [*range(-40_000, 60_000, 7_777)], [5_000] * 3 + [25_000], [79_999, -49_999]):
        assert other.mean_kinetic_millicelsius(values) == mean_kinetic_millicelsius(values)


# --- samples


@pytest.mark.parametrize(
    ("name", "verdict", "mean", "out_of_range", "glitches"),
    [("good", "accepted", 5_015, 0, 0), ("bad", "rejected", 10_118, 107_400, 0), ("glitch", "accepted", 5_020, 0, 17)],
)
def test_the_samples(name: str, verdict: str, mean: int, out_of_range: int, glitches: int) -> None:
    judged = judge((FOLDER / f"{name}.csv").read_bytes())
    assert (judged.verdict, judged.accepted) == (verdict, verdict == "accepted")
    assert (judged.mean_kinetic_millicelsius, judged.seconds_out_of_range) == (mean, out_of_range)
    assert (judged.glitches, judged.duplicates, judged.out_of_order, judged.gaps) == (glitches, 1, 1, 1)
    assert (judged.first, judged.last) == ("2023-03-24T18:00:00Z", "2023-03-28T17:55:00Z")


def test_the_samples_hold_what_real_files_hold() -> None:
    text = (FOLDER / "glitch.csv").read_bytes().decode()
    assert all(part in text for part in ("\r\n", "\r\n\r\n", "+01:00", "+02:00", "999.9", "-127.0", "---", "°C"))


def test_the_samples_are_what_their_seeds_give() -> None:
    for name, seed, kind in SAMPLES:
        assert (FOLDER / name).read_bytes() == generate(seed, kind=kind)
    done = subprocess.run([sys.executable, FOLDER / "generate.py", "--check"], check=False)
    assert done.returncode == 0


def test_a_stale_sample_is_named(tmp_path: Path) -> None:
    script = tmp_path / "generate.py"
    script.write_bytes((FOLDER / "generate.py").read_bytes())
    assert subprocess.run([sys.executable, script], check=False).returncode == 0
    assert (tmp_path / "good.csv").read_bytes() == (FOLDER / "good.csv").read_bytes()
    (tmp_path / "good.csv").write_bytes(b"")
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, check=False, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("good.csv is not what its seed gives")


@pytest.mark.parametrize("kind", ["good", "bad"])
def test_short_shipments_are_judged_alike(kind: Kind) -> None:
    logs = [generate(seed, hours=6, minutes=10, kind=kind) for seed in range(32)]
    assert len(set(logs)) == len(logs)
    assert {judge(log).accepted for log in logs} == {kind == "good"}


def test_a_fleet_is_written_and_judged(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "generate.py"), "--fleet", "24", "--seed", "7", "--out", str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == 0
    judged = [judge(path.read_bytes()) for path in sorted(tmp_path.iterdir())]
    assert len({verdict.shipment for verdict in judged}) == len(judged) == 24
    assert [at for at, verdict in enumerate(judged) if verdict.verdict == "rejected"] == [5, 17]
    assert {verdict.verdict for verdict in judged} == {"accepted", "rejected"}


# --- rules


def test_an_excursion_is_counted_from_reading_to_reading() -> None:
    judged = judge(file_of(*[5] * 6, *[9] * 3, *[5] * 6, 1, *[5] * 6))
    assert (judged.excursions, judged.seconds_out_of_range, judged.longest_excursion_seconds) == (2, 2400, 1800)
    assert (judged.min_millicelsius, judged.max_millicelsius) == (1_000, 9_000)
    assert judged.verdict == "accepted"


def test_the_limits_themselves_are_inside() -> None:
    assert judge(file_of(*[2, 8] * 10)).excursions == 0
    assert judge(file_of(*[5] * 19, 8.001)).excursions == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([5] * 20 + [-0.1], "a reading of -0.100 °C is below 0.000 °C"),
        ([5] * 20 + [25.1], "a reading of 25.100 °C is above 25.000 °C"),
        ([5] * 50 + [9] * 7, "an excursion of 4200 s is longer than 3600 s"),
        (([5] * 3 + [9] * 6) * 5, "18000 s out of range are more than 14400 s"),
        ([8] * 20 + [9] * 5, "mean kinetic temperature 8.210 °C is above 8.000 °C"),
    ],
)
def test_what_speaks_against_the_product(values: list[float], reason: str) -> None:
    judged = judge(file_of(*values))
    assert judged.verdict == "rejected"
    assert reason in judged.reasons


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (file_of(*[5] * 11), "11 readings are fewer than 12"),
        (file_of(*[5] * 20, *["999.9"] * 2), "2 of 22 lines are glitches, more than one part in 20"),
        (
            file_of(*[5] * 20) + b"1,2025-01-02T00:00:00Z,5\n",
            "74400 s of 86400 s lie in gaps, more than one part in 20",
        ),
    ],
)
def test_what_leaves_a_doubt(log: bytes, reason: str) -> None:
    judged = judge(log)
    assert (judged.verdict, judged.reasons) == ("inconclusive", (reason,))


def test_a_reading_from_the_future_is_a_doubt() -> None:
    judged = judge(file_of(*[5] * 20), as_of=int(START.timestamp()))
    assert judged.reasons == ("a reading of 2025-01-01T03:10:00Z lies after the judgement of 2025-01-01T00:00:00Z",)


def test_harm_outweighs_doubt() -> None:
    judged = judge(file_of(5, 30))
    assert judged.verdict == "rejected"
    assert any("fewer" in reason for reason in judged.reasons)


def test_a_gap_is_neither_in_range_nor_out_of_it() -> None:
    log = file_of(*[5] * 6, *[9] * 2) + b"1,2025-01-01T03:00:00Z,9\n1,2025-01-01T03:10:00Z,5\n"
    judged = judge(log)
    assert (judged.gaps, judged.seconds_in_gaps) == (1, 6000)
    assert (judged.excursions, judged.seconds_out_of_range) == (1, 1800)


def test_of_two_readings_of_one_time_the_worse_counts() -> None:
    readings = [Reading(0, 5_000), Reading(0, 9_000), Reading(0, 3_000), Reading(60, 1_000), Reading(60, 5_000)]
    series = clean(readings, LABEL)
    assert series.readings == (Reading(0, 9_000), Reading(60, 1_000))
    assert (series.duplicates, series.out_of_order) == (3, 0)


def test_one_time_in_two_zones_is_one_time() -> None:
    log = HEAD + "1,2025-03-30T01:55:00+01:00,5\n2,2025-03-30T02:55:00+02:00,5\n3,2025-03-30T03:00:00+02:00,5\n"
    judged = judge(log.encode())
    assert (judged.readings, judged.duplicates, judged.last) == (2, 1, "2025-03-30T01:00:00Z")


@given(st.permutations(range(20)))
def test_the_order_of_the_lines_does_not_matter(order: list[int]) -> None:
    lines = file_of(*range(20)).decode().splitlines(keepends=True)
    head, readings = lines[:5], lines[5:]
    shuffled = "".join([*head, *(readings[at] for at in order)]).encode()
    ignored = {"out_of_order"}
    assert judge(shuffled).model_dump(exclude=ignored) == judge(file_of(*range(20))).model_dump(exclude=ignored)


# --- files


@pytest.mark.parametrize(
    "log",
    [
        file_of(5).replace(b"\n", b"\r\n"),
        file_of(5).replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + file_of(5),
        file_of(5).replace(b"\n", b"\n\n,,\n  \n"),
        file_of(5).rstrip(b"\n"),
        b"Serial number,S-1\nDate/Time,No.,Temp. [degC],Event\n2025-01-01 00:00:00Z,1,5,door\n",
        file_of(5).replace(b"Serial number,", b"Serial Number:, "),
        file_of(5).replace(b",5", b', "+5.0"'),
    ],
)
def test_spellings_that_loggers_use(log: bytes) -> None:
    file = parse(log)
    assert file.serial == "S-1"
    assert file.readings == (Reading(int(START.timestamp()), 5_000),)


@pytest.mark.parametrize("text", ["", "---", "ERR", "n/a", "999.9", "-127", "85.0"])
def test_a_glitch_is_left_out(text: str) -> None:
    file = parse(file_of(5, text, 5))
    assert (len(file.readings), file.glitches) == (2, 1)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (b"", "not a logger's file"),
        (b"\xff\xfe", "line 1: the file is not UTF-8"),
        (HEAD.encode() + b"1,\xff,5\n", "line 6: the file is not UTF-8"),
        (b"PK\3\4" + bytes(50), "not a logger's file"),
        (HEAD.encode(), "no reading with a temperature"),
        (file_of("---", "---"), "no reading with a temperature"),
        (file_of(5, head=HEAD.replace("Serial number", "Serial")), "'Serial number'"),
        (file_of(5, head=HEAD.replace("S-1", "")), "'Serial number'"),
        (
            file_of(5, head=HEAD.replace("°C", "°F")),
            "line 5: expected a temperature column in °C, got 'Temperature (°F)'",
        ),
        (file_of(5, "5;0"), "line 7: expected a temperature with at most 3 decimals, got '5;0'"),
        (file_of(5, "5.0001"), "line 7: expected a temperature"),
        (file_of(5, "1e3"), "line 7: expected a temperature"),
        (file_of(5, "\u0665"), "line 7: expected a temperature"),
        (file_of(5) + b"1,2025-01-01T00:10:00,5\n", "line 7: expected a time stamp with zone"),
        (file_of(5) + b"1,2025-13-01T00:10:00Z,5\n", "line 7: expected a time stamp with zone"),
        (file_of(5) + b"1,yesterday,5\n", "got 'yesterday'"),
        (file_of(5) + b"1,2025-01-0", "line 7: expected a time stamp and a temperature, got 2 cells: cut?"),
        (file_of(5) + b'1,"2025', "line 7: unexpected end of data"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(log: bytes, message: str) -> None:
    with pytest.raises(Malformed) as refusal:
        judge(log)
    assert message in str(refusal.value)


@given(st.binary(max_size=300) | st.text(alphabet='0123456789-+:TZ.,"\n\r ', max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for log in (data, HEAD.encode() + data, file_of(5, 6) + data):
        try:
            parse(log)
        except InvalidInput as error:
            reason = str(error)
        else:
            continue
        assert reason.startswith(("line ", "no line", "the file"))


def test_a_file_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cryptlets.contract.cold_chain.logger_file.MAX_READINGS", 10)
    with pytest.raises(InvalidInput, match="line 16: more than 10 readings"):
        parse(file_of(*[5] * 12))
