// Writes the table of clients and topics in README.md from the results of the suites.
//
//   node conformance/table.mjs                  runs everything with every client, then writes
//   node conformance/table.mjs RESULTS.json …   writes from results of vitest's `json` reporter; of a file in several, the last counts
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const TOPICS = {
  functions: "calls, maps, generators, spawned calls, exceptions",
  running: "`run` and its options, scripts, packages, Ctrl-C, detached apps",
  classes: "lifecycle, methods, parameters, variants",
  limits: "retries, timeouts, batches, concurrency, secrets",
  images: "packages, uv, files, Dockerfiles, build functions",
  deploying: "deploy, lookup, autoscaler, history, rollback, logs, containers",
  managing: "environments, tokens, profiles, configuration",
  mistakes: "wrong tokens, names, options, images and code",
  sandboxes: "life, tags, processes, files, snapshots, mounts, networks",
  restarts: "`kill -9` of the server meanwhile",
  calling: "lookup, calls, CBOR, errors, statistics",
  "official functions": "the client's own tests of functions, classes, calls and secrets",
  "official images": "its tests of images",
  "official sandboxes": "its tests of sandboxes and processes in them",
  "official files": "its tests of files in sandboxes",
  "official snapshots": "its tests of snapshots and mounts",
  "official sidecars": "its tests of further containers in sandboxes",
};

function results() {
  const given = process.argv.slice(2);
  const runs = given.length > 0 ? given.map((file) => JSON.parse(readFileSync(file, "utf8"))) : [runAll()];
  return [...new Map(runs.flatMap(({ testResults }) => testResults).map((file) => [file.name, file])).values()];
}

function runAll() {
  const dir = mkdtempSync(join(tmpdir(), "lydian-conformance-"));
  try {
    const file = join(dir, "results.json");
    const suites = ["python", "javascript", "go", "official"].map((language) => `conformance/${language}/`);
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    spawnSync("npx", ["vitest", "run", "--project", "system", ...suites, ...reporters], {
      cwd: root,
      env: { ...process.env, LYDIAN_CONFORMANCE: "full" },
      stdio: "inherit",
    });
    return JSON.parse(readFileSync(file, "utf8"));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Of a topic with a client: how many of its tests have passed. Of suites of others, those that cannot run here are counted, too. */
function cell(topic, tests) {
  const run = tests.filter(({ status }) => status !== "skipped" && status !== "pending");
  if (run.length === 0) return "";
  const passed = run.filter(({ status }) => status === "passed").length;
  const all = topic.startsWith("official ") ? tests.length : run.length;
  return passed === all ? "✓" : `${passed} of ${all}`;
}

const tests = results().flatMap(({ assertionResults }) => assertionResults);
const clients = [...new Set(tests.map(({ ancestorTitles: [client] }) => client))].sort((a, b) => {
  const rank = (client) => ["Python", "JavaScript", "Go"].indexOf(client.split(" ")[0]);
  return rank(a) - rank(b) || b.localeCompare(a, "en", { numeric: true });
});
const rows = Object.entries(TOPICS).map(([topic, what]) => {
  const of = (client) => tests.filter(({ ancestorTitles, title }) => ancestorTitles[0] === client && title.startsWith(`${topic}: `));
  return `| ${topic} | ${what} | ${clients.map((client) => cell(topic, of(client))).join(" | ")} |`;
});
const table = [`| | | ${clients.join(" | ")} |`, `|---|---|${clients.map(() => ":-:|").join("")}`, ...rows].join("\n");
const [start, end] = ["<!-- conformance: written by conformance/table.mjs -->", "<!-- /conformance -->"];
const readme = readFileSync(join(root, "README.md"), "utf8");
if (!readme.includes(start) || !readme.includes(end)) throw new Error(`README.md lacks ${start} and ${end}.`);
const [before] = readme.split(start);
const [, after] = readme.split(end);
writeFileSync(join(root, "README.md"), `${before}${start}\n${table}\n${end}${after}`);
