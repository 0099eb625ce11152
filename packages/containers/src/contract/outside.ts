// The servers that containers of the contract suite try to reach. Usage: A B PORT. On every address of its network namespace something
// answers at PORT; on A:5300 a name server knows a.allowed.test (A), b.allowed.test and *.y.deep.allowed.test (B), and 192-0-2-1.evil.test (192.0.2.1).

import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import * as packet from "dns-packet";

const [, , a = "", b = "", port = ""] = process.argv;

function addressOf(name: string): string | undefined {
  if (name === "a.allowed.test") return a;
  if (name === "b.allowed.test" || name.endsWith(".y.deep.allowed.test")) return b;
  return /^(\d+-\d+-\d+-\d+)\.evil\.test$/.exec(name)?.[1]?.replaceAll("-", ".");
}

const names = createSocket("udp4");
names.on("message", (message, from) => {
  const query = packet.decode(message);
  const question = query.questions?.[0];
  if (question === undefined) return;
  const address = addressOf(question.name.toLowerCase());
  const response = packet.encode({
    type: "response",
    id: query.id ?? 0,
    flags: packet.RECURSION_AVAILABLE | (address === undefined ? 3 : 0),
    questions: [question],
    answers: address === undefined || question.type !== "A" ? [] : [{ type: "A", name: question.name, ttl: 5, data: address }],
  });
  names.send(response, from.port, from.address);
});
names.bind(5300, a, () =>
  createServer((socket) => socket.end("hi")).listen(Number(port), "0.0.0.0", () => process.stdout.write("ready\n")),
);
