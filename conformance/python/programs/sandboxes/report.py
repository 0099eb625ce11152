"""What the programs here print: a line for each thing that was tried, with what came of it."""


def show(name, run):
    try:
        result = repr(run())
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        result = f"{type(error).__name__}: {first}"
    print(f"{name} = {result}", flush=True)
