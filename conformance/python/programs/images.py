"""Images of every kind that the client can express without a registry, and what containers of them see."""

import os
import pathlib
import subprocess

import modal

app = modal.App("images")
base = modal.Image.from_registry("python:3.11-slim-bookworm")
# Another one each time, so that the function is run and not found among the layers.
NUMBER = os.environ.get("NUMBER", "0")
here = pathlib.Path(__file__).parent


def prepare(number, *, name):
    print("preparing", number)
    pathlib.Path("/prepared.txt").write_text(f"{number} {name} {os.environ['WORD']}")


packages = (
    base.apt_install("jq")
    .pip_install("six==1.17.0")
    .env({"GREETING": "hello"})
    .workdir("/work")
    .run_commands("echo $GREETING > /greeting.txt", "touch here.txt")
)
requirements = base.pip_install_from_requirements(str(here / "context/requirements.txt")).uv_pip_install("cowsay==6.1")
files = (
    base.add_local_dir(here / "context/files", "/copied", copy=True, ignore=["*.tmp"])
    .run_commands("cp /copied/one.txt /seen-by-build.txt")
    .add_local_dir(here / "context/files", "/mounted")
    .add_local_file(here / "context/files/one.txt", "/single.txt")
)
dockerfile = modal.Image.from_dockerfile(here / "context/Dockerfile", context_dir=here / "context", build_args={"WHO": "world"})
commands = base.dockerfile_commands("RUN echo from a line > /line.txt", 'ENV LINE="a b"')
prepared = base.run_function(prepare, args=(NUMBER,), kwargs={"name": "seven"}, secrets=[modal.Secret.from_dict({"WORD": "secretly"})])
newer = modal.Image.from_registry("python:3.13-slim")


def read(path):
    return pathlib.Path(path).read_text().strip()


@app.function(image=packages)
def with_packages():
    import six

    jq = subprocess.check_output(["jq", "-r", ".a"], input=b'{"a": "jq runs"}').decode().strip()
    return six.__version__, jq, os.environ["GREETING"], os.getcwd(), os.listdir("."), read("/greeting.txt")


@app.function(image=requirements)
def with_requirements():
    import cowsay
    import six

    return six.__version__, "cow" in cowsay.char_names


@app.function(image=files)
def with_files():
    tree = sorted(str(path.relative_to("/copied")) for path in pathlib.Path("/copied").rglob("*") if path.is_file())
    return tree, read("/seen-by-build.txt"), read("/mounted/deep/two.txt"), read("/single.txt")


@app.function(image=dockerfile)
def of_dockerfile():
    return read("/hello.txt"), os.environ["WHO"], read("/files/one.txt")


@app.function(image=commands)
def of_commands():
    return read("/line.txt"), os.environ["LINE"]


@app.function(image=prepared)
def of_function():
    return read("/prepared.txt"), "WORD" in os.environ


@app.function(image=newer)
def on_newer_python():
    import sys

    return sys.version_info[:2]


@app.local_entrypoint()
def main():
    print("packages =", with_packages.remote())
    print("requirements =", with_requirements.remote())
    print("files =", with_files.remote())
    print("dockerfile =", of_dockerfile.remote())
    print("commands =", of_commands.remote())
    print("function =", of_function.remote())
    print("newer =", on_newer_python.remote())
