import http from "node:http";
import { describe, expect, it } from "vitest";
import { LydianError } from "../errors.ts";
import { parseEndpoint } from "./endpoint.ts";
import { start, type TestHandlers, TRANSPORTS, type Transport } from "./test-service.ts";

const APP_CREATE = "/modal.client.ModalClient/AppCreate";

describe.each(TRANSPORTS)("a call with JSON over %s", (transport) => {
  it("is answered with JSON, by the same handler that serves gRPC", async () => {
    const answer = await post(transport, { appCreate: ({ description }, { caller }) => ({ appId: `ap-${description}-${caller.name}` }) });
    expect(answer).toEqual({ status: 200, json: { appId: "ap-größe-tester" } });
  });

  it("is refused with the error's code, text and hint", async () => {
    const refuse = () => {
      throw new LydianError("not_found", "There is no such app.", { hint: "Look at the list." });
    };
    const answer = await post(transport, { appCreate: refuse });
    expect(answer).toEqual({ status: 404, json: { code: "not_found", message: "There is no such app.\nLook at the list." } });
  });

  it("hides what failed inside the server", async () => {
    const fail = () => {
      throw new Error("the password is 1234");
    };
    const answer = await post(transport, { appCreate: fail });
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.json)).not.toContain("1234");
  });

  it("is refused when it is no JSON of its message", async () => {
    const answer = await post(transport, { appCreate: () => ({}) }, { body: '{"description": 7' });
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ code: "invalid_argument" });
  });

  it("is no call when its path is that of a stream, or of nothing", async () => {
    for (const path of ["/modal.client.ModalClient/AppGetLogs", "/modal.client.ModalClient/Nothing", "/"]) {
      expect((await post(transport, {}, { path })).status).toBe(404);
    }
  });
});

async function post(
  transport: Transport,
  handlers: TestHandlers,
  { path = APP_CREATE, body = '{"description": "größe", "later": 1}' }: { path?: string; body?: string } = {},
): Promise<{ status: number; json: unknown }> {
  await using h = await start(transport, handlers);
  const endpoint = parseEndpoint(h.listener.address);
  const where = endpoint.kind === "unix" ? { socketPath: endpoint.path } : { host: endpoint.host, port: endpoint.port };
  return await new Promise((resolve, reject) => {
    const request = http.request({ ...where, path, method: "POST", headers: { "content-type": "application/json; charset=utf-8" } });
    request.on("error", reject);
    request.on("response", async (response) => {
      let text = "";
      for await (const chunk of response) text += String(chunk);
      const isJson = response.headers["content-type"] === "application/json";
      resolve({ status: response.statusCode ?? 0, json: isJson ? JSON.parse(text) : text });
    });
    request.end(body);
  });
}
