"""Builds an image with micromamba, and shows what the program was asked to do."""

import modal
from conda import image

app = modal.App("conda-built")
shown = image.run_commands("cat /asked.txt")

if __name__ == "__main__":
    with modal.enable_output(), app.run():
        shown.build(app)
        print("built =", shown.object_id.startswith("im-"))
