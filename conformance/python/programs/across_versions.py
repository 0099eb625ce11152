"""A call that begins before a deployment and ends after it; `stats` until there are so many containers."""

import subprocess
import sys
import time

import modal

_, what, *rest = sys.argv

if what == "deploy":
    linger = modal.Function.from_name("deployed", "linger")
    call = linger.spawn(3)
    while linger.get_current_stats().num_running_inputs < 1:
        time.sleep(0.1)
    subprocess.run([sys.executable, "-m", "modal", "deploy", *rest, "deployed.py"], check=True)
    print("new", modal.Function.from_name("deployed", "version").remote())
    print("old", call.get())
else:
    name, count = rest
    while modal.Function.from_name("deployed", name).get_current_stats().num_total_runners != int(count):
        time.sleep(0.1)
    print("reached", count)
