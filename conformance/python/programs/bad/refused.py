"""What is asked for and not offered: each is refused by name when it is created."""

import sys

import modal

image = modal.Image.from_registry("python:3.11-slim-bookworm")

OPTIONS = {
    "gpu": lambda: {"gpu": "T4"},
    "volumes": lambda: {"volumes": {"/v": modal.Volume.from_name("v", create_if_missing=True)}},
    "buckets": lambda: {"volumes": {"/b": modal.CloudBucketMount("bucket")}},
    "region": lambda: {"region": "us-east"},
    "cloud": lambda: {"cloud": "aws"},
    "proxy": lambda: {"proxy": modal.Proxy.from_name("p")},
    "secret": lambda: {"secrets": [modal.Secret.from_name("nowhere")]},
    "keys": lambda: {"secrets": [modal.Secret.from_name("refused", required_keys=["MISSING"])]},
    "min over max": lambda: {"min_containers": 3, "max_containers": 2},
    "memory": lambda: {"memory": 10_000_000},
    "cpu": lambda: {"cpu": 4096},
    "timeout": lambda: {"timeout": 900_000},
    "retries": lambda: {"retries": 100},
    "name": lambda: {"name": "a name with spaces"},
    "snapshot": lambda: {"enable_memory_snapshot": True},
    "web": None,
}


def attempt(what, options):
    app = modal.App(f"refused-{what.replace(' ', '-')}", image=image)

    def nothing():
        pass

    try:
        if what == "web":
            nothing = modal.fastapi_endpoint()(nothing)
        app.function(serialized=True, **(options() if options else {}))(nothing)
        with app.run():
            print(f"{what} = accepted")
    except Exception as error:
        print(f"{what} = {type(error).__name__}: {error}".replace("\n", " "))


for what, options in OPTIONS.items():
    if len(sys.argv) == 1 or what in sys.argv[1:]:
        attempt(what, options)
