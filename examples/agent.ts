// ./lydian run examples/agent.ts
// An agent that repairs a program: it runs the tests in a sandbox, reads what failed, writes the code anew and tries again. Its model is a
// list in this file, where yours asks a service. The sandbox reaches nothing, code that hangs is ended, and each state of the workspace is
// a snapshot that others can start from.

import { App, ExecTimeoutError, Image, Sandbox } from "lydian";

export const app = new App("agent");

const image = Image.node("24").workdir("/work");

const TESTS = `
import { slug } from "./slug.mjs";
const cases = { "Hello World": "hello-world", "  Trim me ": "trim-me", "Crème Brûlée": "creme-brulee" };
let failures = 0;
for (const [title, wanted] of Object.entries(cases)) {
  const got = slug(title);
  if (got !== wanted) failures++;
  console.log(got === wanted ? "ok   " + wanted : "FAIL " + JSON.stringify({ title, got, wanted }));
}
process.exit(failures === 0 ? 0 : 1);
`;

/** What a language model would be asked for; it sees what happened so far. */
function propose(history: readonly Attempt[]): string | undefined {
  const drafts = [
    `export const slug = (title) => title.toLowerCase().replaceAll(" ", "-");`,
    `export function slug(title) { while (title.includes(" ")) title = title.toLowerCase(); return title; }`,
    `export const slug = (title) =>
  title.normalize("NFD").replace(/\\p{M}/gu, "").toLowerCase().match(/[a-z0-9]+/g).join("-");`,
  ];
  return history.at(-1)?.exitCode === 0 ? undefined : drafts[history.length];
}

interface Attempt {
  readonly exitCode: number;
  readonly workspace: Image;
}

app.localEntrypoint(async () => {
  // Leaving the scope, by return or by throw, ends the sandbox.
  await using sandbox = await Sandbox.create({
    app,
    image,
    network: "none",
    memory: "512Mi",
    timeout: "10m",
    idleTimeout: "2m",
    tags: { kind: "agent" },
  });
  await sandbox.filesystem.writeText("/work/test.mjs", TESTS);

  const history: Attempt[] = [];
  for (let code = propose(history); code !== undefined; code = propose(history)) {
    console.log(`attempt ${history.length + 1}`);
    await sandbox.filesystem.writeText("/work/slug.mjs", code);
    const exitCode = await runTests(sandbox);
    history.push({ exitCode, workspace: await sandbox.snapshotDirectory("/work", { ttl: "1d" }) });
  }
  console.log(history.at(-1)?.exitCode === 0 ? `repaired at attempt ${history.length}` : "given up");
  console.log("files:", (await sandbox.filesystem.list("/work")).map(({ name, size }) => `${name} (${size} bytes)`).join(", "));

  const { exitCode } = await sandbox.exec(["node", "-e", "await fetch('http://1.1.1.1')"]);
  console.log("reaches the network:", exitCode === 0);

  // The first attempt once more, in another sandbox.
  await using other = await Sandbox.create({ app, image, network: "none" });
  await other.mountImage("/work", history[0]?.workspace);
  const { stdout } = await other.exec("node test.mjs | grep -c FAIL");
  console.log("failures of the first attempt:", stdout.trim());
});

/** Prints what the tests say while they run. Their exit code; 124 when they take too long, as of timeout(1). */
async function runTests(sandbox: Sandbox): Promise<number> {
  const tests = sandbox.exec(["node", "test.mjs"], { timeout: "2s" });
  try {
    for await (const line of tests.stdout.lines()) console.log("  |", line);
    return await tests.wait();
  } catch (error) {
    if (!(error instanceof ExecTimeoutError)) throw error;
    console.log("  | took longer than 2 s");
    return 124;
  }
}
