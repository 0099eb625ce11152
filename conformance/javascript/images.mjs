// Builds, finds and deletes images.
import { ModalClient } from "modal";

const modal = new ModalClient();
const show = async (name, run) => console.log(`${name} = ${await run().catch((error) => `${error.constructor.name}: ${error.message}`)}`);

const app = await modal.apps.fromName("javascript-images", { createIfMissing: true });
const recipe = () => modal.images.fromRegistry("python:3.11-slim-bookworm").dockerfileCommands(["ENV A=1", "RUN echo $A > /a.txt"]);
const image = await recipe().build(app);
await show("again", async () => (await recipe().build(app)).imageId === image.imageId);
await show("by id", async () => (await modal.images.fromId(image.imageId)).imageId === image.imageId);
await show(
  "does not build",
  async () => (await modal.images.fromRegistry("python:3.11-slim-bookworm").dockerfileCommands(["RUN exit 3"]).build(app)).imageId,
);
await show("delete", async () => modal.images.delete(image.imageId));
await show("by id of a deleted one", async () => (await modal.images.fromId(image.imageId)).imageId);
await show("delete again", async () => modal.images.delete(image.imageId));
await show("another one", async () => (await recipe().build(app)).imageId !== image.imageId);
modal.close();
