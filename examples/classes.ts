// ./lydian run examples/classes.ts
// What is slow to set up is set up once per container, and calls are gathered where many at once are cheaper than one by one.
import { App, type Batch, batched, enter, exit, method, parameter, parameters } from "lydian";

export const app = new App("classes");

export class CounterImpl extends parameters({ name: parameter.string(), step: parameter.int({ default: 1 }) }) {
  #log: string[] = [];
  #at = 0;

  /** Before the first call: the place for connections and models. */
  @enter() protected async open() {
    this.#log.push(`${this.name} opened`);
  }

  @method() async add(times: number) {
    this.#at += times * this.step;
    return this.#at;
  }

  @method() async *history() {
    yield* this.#log;
    yield `${this.name} is at ${this.#at}`;
  }

  /** After the last one, when the container ends. */
  @exit() protected close() {
    console.error(`${this.name} closed at ${this.#at}`);
  }
}
export const Counter = app.cls({ maxContainers: 1 }, CounterImpl);

/** Without decorators: members are named instead. */
export const Greeter = app.cls(
  { methods: ["greet"], enter: ["load"] },
  class {
    greeting = "";
    load() {
      this.greeting = "hello";
    }
    greet(name: string) {
      return `${this.greeting} ${name}`;
    }
  },
);

/** Its callers send one text each; it sees up to 50 at once. */
export class EmbedderImpl {
  #calls = 0;
  @batched({ maxBatchSize: 50, wait: "200ms" }) async embed(texts: Batch<string>) {
    this.#calls++;
    return texts.map((text) => ({ length: text.length, calls: this.#calls }));
  }
}
export const Embedder = app.cls({ maxContainers: 1 }, EmbedderImpl);

/** A function that batches needs no class. */
export const sums = app.function({ batched: { maxBatchSize: 10, wait: "100ms" } }, async (xs: number[], ys: number[]) =>
  xs.map((x, i) => x + (ys[i] ?? 0)),
);

app.localEntrypoint(async () => {
  const [one, two] = [new Counter({ name: "one" }), new Counter({ name: "two", step: 10 })];
  console.log(await one.add.remote(3), await one.add.remote(4), await two.add.remote(4));
  for await (const line of two.history.remoteGen()) console.log(line);
  console.log(await new Greeter().greet.remote("world"));

  const embedded = await new Embedder().embed.map(Array.from({ length: 40 }, (_, i) => "x".repeat(i)));
  console.log(embedded.at(-1)?.length, (embedded.at(-1)?.calls ?? 40) < 40);
  console.log(await sums.map([1, 2, 3], [10, 20, 30]));

  const patient = Counter.withOptions({ timeout: "10m", memory: "256Mi" });
  console.log(await new patient({ name: "three" }).add.remote(5));
});
