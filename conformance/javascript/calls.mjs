// Calls, by name, what the Python client has deployed.
import { ModalClient } from "modal";

const modal = new ModalClient();

/** CBOR tells what JSON does not. */
function text(value) {
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Uint8Array) return `bytes ${value.length}`;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return `[${value.map(text).join(", ")}]`;
  if (value instanceof Map) return text(Object.fromEntries(value));
  if (typeof value === "object" && value !== null)
    return `{${Object.keys(value)
      .map((key) => `${key}: ${text(value[key])}`)
      .join(", ")}}`;
  return String(value);
}

async function show(name, run) {
  const result = await run().then(text, (error) => `${error.constructor.name}: ${error.message.split("\n")[0]}`);
  console.log(`${name} = ${result}`);
}

const fn = (name) => modal.functions.fromName("deployed", name);
const represent = await fn("represent");
const version = await fn("version");

await show("args and kwargs", async () => (await fn("echo")).remote([1, "two"], { three: 3.5 }));
const values = {
  null: null,
  bool: true,
  int: 42,
  "large int": 2 ** 53,
  bigint: 2n ** 60n,
  negative: -7,
  float: 1.25,
  string: "héllo",
  bytes: new Uint8Array([0, 255]),
  list: [1, ["a"]],
  object: { a: 1 },
  map: new Map([["b", 2]]),
  date: new Date("2024-05-06T07:08:09Z"),
  large: new Uint8Array(5_000_000),
};
for (const [name, value] of Object.entries(values)) {
  await show(name, async () => {
    const [back, representation] = await represent.remote([value]);
    return [back, representation.slice(0, 60)];
  });
}
await show("spawn", async () => {
  const { functionCallId } = await version.spawn();
  return (await modal.functionCalls.fromId(functionCallId)).get();
});
const forever = await (await fn("forever")).spawn();
await show("not done", () => forever.get({ timeoutMs: 0 }));
await show("cancel", async () => forever.cancel());
await show("cancelled", () => forever.get());
await show("remote error", async () => (await fn("fail")).remote(["because"]));
await show("stats", async () => {
  const { backlog, numTotalRunners } = await version.getCurrentStats();
  return [backlog, numTotalRunners > 0];
});
await show("update autoscaler", async () => void (await version.updateAutoscaler({ maxContainers: 2 })));
await show("web url", async () => (await version.getWebUrl()) ?? "");
const Greeter = await modal.cls.fromName("deployed", "Greeter");
const greet = async (cls, parameters, method = "greet") => (await cls.instance(parameters)).method(method).remote(["hi"]);
await show("class", () => greet(Greeter));
await show("class with parameters", () => greet(Greeter, { name: "you" }));
await show("class with options", () => greet(Greeter.withOptions({ maxContainers: 1 }), { name: "them" }));
await show("parameter of a wrong type", () => greet(Greeter, { name: 3 }));
await show("no method", () => greet(Greeter, {}, "nothing"));
await show("no function", () => fn("nothing"));
await show("no app", () => modal.functions.fromName("nowhere", "version"));
await show("no class", () => modal.cls.fromName("deployed", "Nothing"));
await show("class as function", () => fn("Greeter"));
await show("app", async () => (await modal.apps.fromName("deployed")).appId.slice(0, 3));
await show("no secret", () => modal.secrets.fromName("nowhere"));
modal.close();
