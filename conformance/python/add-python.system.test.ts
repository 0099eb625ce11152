// Images without a Python, which get one.
import { expect, it } from "vitest";
import { resultsOf } from "../run-command.ts";
import { clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();

describeWithPython.each(clientsFor("rest"))("Python %s", (version) => {
  // The versions differ in what they copy and install, and in how many images they make of it.
  it.each(version.startsWith("1.6") ? ["2024.10", "2025.06", "2026.10"] : ["2025.06"])(
    "add_python as builder %s sends it",
    async (builder) => {
      const client = await server.client(version);
      const run = await client.modal(["run", "add_python.py"], { env: { MODAL_IMAGE_BUILDER_VERSION: builder } });
      expect(resultsOf(run), run.output).toEqual({
        registry: "((3, 12), '/usr/local/bin/python', True, True)",
        dockerfile: "((3, 13), '1.17.0', 'from the context')",
      });
      expect(run.code).toBe(0);
    },
  );
});
