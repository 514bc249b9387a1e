"""Where the speed of the command and the safety of the gateway come from: who loads Ray, and who must not."""

import subprocess
import sys


def test_the_gateways_side_does_not_import_ray() -> None:
    modules = "cluster", "pool", "batcher", "gateway_link", "inspection", "courier", "driver", "jail"
    imports = "; ".join(f"import fabric.runtime.{name}" for name in modules)
    check = f"import sys; {imports}; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_the_courier_needs_nothing_of_ours() -> None:
    check = (
        "import sys, fabric.runtime.courier; print(sorted(name for name in sys.modules if name.startswith('fabric')))"
    )
    done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['fabric', 'fabric.runtime', 'fabric.runtime.courier']"
