// `Sandbox.open`, `ls`, `mkdir`, `rm` and `watch` of clients that have them.
import { expect, it } from "vitest";
import { clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();

describeWithPython.each(clientsFor("core").filter((version) => version !== "1.6.4"))("Python %s", (version) => {
  it("files: a sandbox's files are opened, listed, made, removed and watched", async () => {
    const client = await server.client(version);
    const { code, stdout, output } = await client.python(["file_io.py"]);
    expect(code, output).toBe(0);
    expect(JSON.parse(stdout.trim().split("\n").at(-1) ?? "")).toEqual({
      line: "one\n",
      part: "tw",
      end: "rößer",
      nothing: "",
      lines: ["one\n", "two\n", "größer"],
      whole: "one\ntwo\ngrößer!",
      bytes: Buffer.from("ONE\ntwo\ngrößer!").toString("hex"),
      large: true,
      list: ["a.txt", "d", "large"],
      missing: ["FileNotFoundError", "No such file or directory (ENOENT): /srv/none"],
      directory: ["IsADirectoryError", expect.stringContaining("(EISDIR): /srv/d")],
      exists: ["FileExistsError", "File already exists (EEXIST): /srv/a.txt"],
      "no directory": ["NotADirectoryError", expect.stringContaining("Not a directory (ENOTDIR)")],
      "made twice": ["FileExistsError", expect.stringContaining("/srv/d")],
      "not empty": ["FilesystemExecutionError", expect.stringContaining("Directory not empty (ENOTEMPTY)")],
      left: ["a.txt", "large"],
      seen: true,
      quiet: [],
      over: [expect.any(String), expect.stringMatching(/is over|has ended/)],
    });
  });
});
