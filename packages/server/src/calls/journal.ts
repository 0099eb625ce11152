// Gathers what a turn of the event loop has to write and writes it as one work of the group commit, many rows a statement.
import type { FunctionInput } from "@lydian/protocol";
import type { Database } from "../database/database.ts";
import type { Call, Input, Output, ResultInit } from "./call.ts";
import type { CallStore, NewCallRow } from "./store.ts";

class Group {
  readonly calls: NewCallRow[] = [];
  readonly inputs: { input: Input; payload: FunctionInput }[] = [];
  readonly outputs: { call: Call; output: Output; result: ResultInit }[] = [];
  readonly updates: (() => void)[] = [];
  durable: Promise<void> = Promise.resolve();
}

export class Journal {
  readonly #database: Database;
  readonly #store: CallStore;
  #group: Group | undefined;

  constructor(database: Database, store: CallStore) {
    this.#database = database;
    this.#store = store;
  }

  /** `payload`: the input of a call that is alone. */
  call(call: Call, requestKey: string | null, payload: FunctionInput | undefined): void {
    this.#open().calls.push({ call, requestKey, payload });
  }

  input(input: Input, payload: FunctionInput): void {
    this.#open().inputs.push({ input, payload });
  }

  output(call: Call, output: Output, result: ResultInit): void {
    this.#open().outputs.push({ call, output, result });
  }

  /** `write` runs inside the commit, after the rows. */
  update(write: () => void): void {
    this.#open().updates.push(write);
  }

  /** Settles when everything gathered so far in this turn is durable; rejects when none of it is. */
  durable(): Promise<void> {
    return this.#group?.durable ?? Promise.resolve();
  }

  #open(): Group {
    if (this.#group !== undefined) return this.#group;
    const group = new Group();
    this.#group = group;
    group.durable = this.#database.commit(() => this.#write(group));
    // A commit that could not begin never ran the work: what comes next must not join what has failed. Writers look at the
    // promise themselves; one that does not must not end the process.
    group.durable.catch(() => {
      if (this.#group === group) this.#group = undefined;
    });
    return group;
  }

  #write(group: Group): void {
    this.#group = undefined;
    if (group.calls.length > 0) this.#store.insertCalls(group.calls);
    if (group.inputs.length > 0) this.#store.insertInputs(group.inputs);
    if (group.outputs.length > 0) this.#store.insertOutputs(group.outputs);
    for (const update of group.updates) update();
  }
}
