"""A module that exists here and not in the container, and code that fails there while it is imported."""

import modal

app = modal.App("bad-import", image=modal.Image.from_registry("python:3.11-slim-bookworm"))

if not modal.is_local():
    import a_module_that_is_nowhere  # noqa: F401


@app.function()
def never():
    pass


@app.function()
def never_too():
    pass


@app.local_entrypoint()
def main():
    for function in (never, never_too):
        try:
            function.remote()
        except Exception as error:
            print(f"caught {type(error).__name__}: {error}\n", end="")
