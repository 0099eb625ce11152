import { describe, expect, it } from "vitest";
import { InvalidError } from "./errors.ts";
import { Retries, type RetriesOptions } from "./retries.ts";

describe("Retries", () => {
  it("completes what is left out", () => {
    expect({ ...new Retries({ maxRetries: 3 }) }).toEqual({
      maxRetries: 3,
      initialDelayMs: 1_000,
      backoffCoefficient: 2,
      maxDelayMs: 60_000,
    });
  });

  it("keeps what is given", () => {
    const retries = new Retries({ maxRetries: 5, initialDelay: "500ms", backoffCoefficient: 1.5, maxDelay: "10m" });
    expect({ ...retries }).toEqual({ maxRetries: 5, initialDelayMs: 500, backoffCoefficient: 1.5, maxDelayMs: 600_000 });
  });

  it("takes the ends of each range", () => {
    for (const maxRetries of [0, 100]) expect(new Retries({ maxRetries }).maxRetries).toBe(maxRetries);
    for (const backoffCoefficient of [1, 10])
      expect(new Retries({ maxRetries: 1, backoffCoefficient }).backoffCoefficient).toBe(backoffCoefficient);
    expect(new Retries({ maxRetries: 1, maxDelay: "24h" }).maxDelayMs).toBe(86_400_000);
  });

  it.each([-1, 101, 1.5, Number.NaN, "3", undefined])("refuses maxRetries %j by name", (maxRetries) => {
    expect(() => new Retries({ maxRetries } as RetriesOptions)).toThrow(InvalidError);
    expect(() => new Retries({ maxRetries } as RetriesOptions)).toThrow(`maxRetries is ${maxRetries};`);
  });

  it.each([0.5, 10.5, Number.NaN])("refuses backoffCoefficient %j", (backoffCoefficient) => {
    expect(() => new Retries({ maxRetries: 1, backoffCoefficient })).toThrow(/backoffCoefficient is .*from 1 to 10/);
  });

  it("refuses delays that are none, or longer than a day", () => {
    expect(() => new Retries({ maxRetries: 1, initialDelay: -1 })).toThrow(/^initialDelay is -1/);
    expect(() => new Retries({ maxRetries: 1, maxDelay: "25h" })).toThrow(/^maxDelay is "25h".*24 hours/);
  });

  it("rounds delays to whole milliseconds, which the wire has", () => {
    expect(new Retries({ maxRetries: 1, initialDelay: "0.5ms" }).initialDelayMs).toBe(1);
  });
});
