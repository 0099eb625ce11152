"""What is asked for and not offered: each is refused by name when it is created."""

import sys

import modal

image = modal.Image.from_registry("python:3.11-slim-bookworm")

OPTIONS = {
    "gpu": lambda: {"gpu": "T4"},
    "buckets": lambda: {"volumes": {"/b": modal.CloudBucketMount("bucket")}},
    "region": lambda: {"region": "us-east"},
    "cloud": lambda: {"cloud": "aws"},
    "secret": lambda: {"secrets": [modal.Secret.from_name("nowhere")]},
    "keys": lambda: {"secrets": [modal.Secret.from_name("refused", required_keys=["MISSING"])]},
    "min over max": lambda: {"min_containers": 3, "max_containers": 2},
    "cpu": lambda: {"cpu": 4096},
    "timeout": lambda: {"timeout": 900_000},
    "name": lambda: {"name": "a name with spaces"},
}


def attempt(what, options):
    app = modal.App(f"refused-{what.replace(' ', '-')}", image=image)

    def nothing():
        pass

    try:
        app.function(serialized=True, **{"name": "nothing", **options()})(nothing)
        with app.run():
            print(f"{what} = accepted")
    except Exception as error:
        print(f"{what} = {type(error).__name__}: {error}".replace("\n", " "))


for what, options in OPTIONS.items():
    if len(sys.argv) == 1 or what in sys.argv[1:]:
        attempt(what, options)
