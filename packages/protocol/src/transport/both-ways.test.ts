import { describe, expect, it } from "vitest";
import { start, TRANSPORTS } from "./test-service.ts";

describe.each(TRANSPORTS)("a connection over %s that is full in both directions", (transport) => {
  it("goes on: neither side waits with reading until its writing is done", async () => {
    await using h = await start(transport, { appCreate: ({ description }) => ({ appId: description }) });
    const description = "x".repeat(300_000);
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => h.client.appCreate({ description }, { timeoutMs: 15_000, retry: false })),
    );
    expect(answers.every(({ appId }) => appId.length === description.length)).toBe(true);
  }, 20_000);
});
