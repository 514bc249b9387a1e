"""The replacements change a whole process, so each test looks into a process of its own."""

import json
import subprocess
import sys
from typing import Final

SEEN: Final = """
import json, os, random, secrets, time, uuid
from fabric.enclave.sandbox import determinism
determinism.install()
import datetime
from pydantic import BaseModel

class Model(BaseModel):
    at: datetime.datetime
    day: datetime.date

def seen(seed):
    determinism.begin(1_700_000_000, bytes([seed]) * 32)
    return {
        "entropy": [os.urandom(4).hex(), secrets.token_hex(4), str(uuid.uuid4()), random.random(),
                    random.Random().random(), random.SystemRandom().random()],
        "time": [time.time(), time.time_ns(), time.monotonic(), time.perf_counter_ns(), time.strftime("%Y-%m-%d"),
                 time.ctime(), time.asctime(), list(time.gmtime())[:6], list(time.localtime())[:6]],
        "dates": [str(datetime.datetime.now()), str(datetime.datetime.now(datetime.UTC)),
                  str(datetime.datetime.utcnow()), str(datetime.datetime.today()), str(datetime.date.today())],
    }

def reseeded(seed):
    determinism.begin(1_700_000_000, bytes([seed]) * 32)
    random.seed()
    return random.random()

made = Model.model_validate_json('{"at": "2024-02-03T04:05:06Z", "day": "2024-02-03"}', strict=True)
class Mine(datetime.datetime): ...
print(json.dumps({
    "one": seen(1), "again": seen(1), "two": seen(2), "reseeded": [reseeded(1), reseeded(1), reseeded(2)],
    "pydantic": [made.model_dump(mode="json"), isinstance(made.at, datetime.datetime), isinstance(made.at, Mine),
                 isinstance(made.at, datetime.date), issubclass(datetime.datetime, datetime.date),
                 Model(at=datetime.datetime.now(datetime.UTC), day=datetime.date.today()).model_dump(mode="json")],
    "other": [time.strftime("%Y", time.gmtime(0)), str(datetime.datetime.strptime("2024", "%Y")),
              random.Random(7).random() == random.Random(7).random()],
}))
"""


def test_a_process_sees_only_the_invocation() -> None:
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", SEEN], capture_output=True, check=True, timeout=60)
    seen = json.loads(run.stdout)
    assert seen["one"] == seen["again"]
    assert seen["one"]["time"] == seen["two"]["time"]
    assert not set(map(str, seen["one"]["entropy"])) & set(map(str, seen["two"]["entropy"]))
    assert seen["reseeded"][0] == seen["reseeded"][1] != seen["reseeded"][2]

    assert seen["one"]["time"] == [
        1_700_000_000.0,
        1_700_000_000_000_000_000,
        0.0,
        0,
        "2023-11-14",
        "Tue Nov 14 22:13:20 2023",
        "Tue Nov 14 22:13:20 2023",
        [2023, 11, 14, 22, 13, 20],
        [2023, 11, 14, 22, 13, 20],
    ]
    moment = "2023-11-14 22:13:20"
    assert seen["one"]["dates"] == [moment, f"{moment}+00:00", moment, moment, "2023-11-14"]
    assert seen["pydantic"] == [
        {"at": "2024-02-03T04:05:06Z", "day": "2024-02-03"},
        True,
        False,
        True,
        True,
        {"at": "2023-11-14T22:13:20Z", "day": "2023-11-14"},
    ]
    assert seen["other"] == ["1970", "2024-01-01 00:00:00", True]
