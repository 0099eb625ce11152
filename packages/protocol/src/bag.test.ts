import fc from "fast-check";
import { expect, it } from "vitest";
import { Bag } from "./bag.ts";

it("holds what a set would, in any order of additions and deletions", () => {
  const step = fc.record({ add: fc.boolean(), item: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const items = Array.from({ length: 10 }, (_, name) => ({ name, place: -1 }));
      const bag = new Bag<(typeof items)[number]>();
      const set = new Set<(typeof items)[number]>();
      for (const { add, item } of steps) {
        const chosen = items[item];
        if (chosen === undefined) continue;
        if (add && !set.has(chosen)) bag.add(chosen);
        if (!add) bag.delete(chosen);
        if (add) set.add(chosen);
        else set.delete(chosen);
        expect(bag.size).toBe(set.size);
        expect(new Set(bag)).toEqual(set);
      }
    }),
  );
});

it("goes on over what it held when it was asked", () => {
  const bag = new Bag<{ place: number }>();
  for (let i = 0; i < 5; i++) bag.add({ place: -1 });
  let seen = 0;
  for (const item of bag) {
    seen++;
    bag.delete(item);
  }
  expect([seen, bag.size]).toEqual([5, 0]);
});
