// Input and output of a sandbox's command, as clients of the first generation move it: text with cursors, and numbered writes.
import { LydianError } from "@lydian/protocol";
import type { Exec } from "../execs/exec.ts";
import type { Sandbox } from "./sandbox.ts";

const STDERR = 2;

interface LogRequest {
  readonly fileDescriptor: number;
  /** Empty, or what an earlier batch said. */
  readonly lastEntryId: string;
  readonly holdMs: number;
}

/** What the command prints, live, for at most `holdMs`; the last batch says so when there is no more. */
export async function* logBatches(
  sandbox: Sandbox,
  { fileDescriptor, lastEntryId, holdMs }: LogRequest,
  ...signals: readonly AbortSignal[]
) {
  const { taskId } = sandbox;
  const command = await commandOf(sandbox);
  const timeout = AbortSignal.timeout(Math.max(1, holdMs));
  if (command !== undefined) {
    const spool = fileDescriptor === STDERR ? command.stderr : command.stdout;
    let rest: Uint8Array = new Uint8Array();
    for await (const { offset, data } of spool.from(offsetOf(lastEntryId), timeout, ...signals)) {
      const bytes = Buffer.concat([rest, data]);
      // A character that is cut at the end of a chunk comes with the next one: the cursor stays before it.
      const cut = cutBytes(bytes);
      rest = bytes.subarray(bytes.length - cut);
      const text = bytes.toString("utf8", 0, bytes.length - cut);
      const entryId = `${offset + data.length - cut}-0`;
      if (text !== "") yield { taskId, entryId, items: [{ data: text, fileDescriptor, timestamp: Date.now() / 1000 }] };
    }
    if (!spool.ended) return;
  }
  yield { taskId, eof: true };
}

/** Undefined: it has none, or ended before it ran. */
export async function commandOf(sandbox: Sandbox): Promise<Exec | undefined> {
  await sandbox.started.catch(() => undefined);
  return sandbox.command;
}

export interface IndexedWrite {
  readonly index: number;
  readonly offset: number;
}

/** Writes with numbers from 1: what comes again is skipped. */
export class IndexedInput {
  /** The number of the latest, and how much had been written before it. */
  last: IndexedWrite = { index: 0, offset: 0 };
  readonly #command: () => Promise<Exec | undefined>;
  readonly #keep: () => Promise<void>;
  #written = 0;
  #last: Promise<void> = Promise.resolve();

  /** `keep`: writes `last` down, before anything is written. */
  constructor(command: () => Promise<Exec | undefined>, keep: () => Promise<void>) {
    this.#command = command;
    this.#keep = keep;
  }

  /** After a restart of the server. Whether the latest has come, its bytes say. */
  restore(last: IndexedWrite): void {
    this.last = last;
    this.#written = Math.max(0, last.index - 1);
  }

  write(index: number, data: Uint8Array, end: boolean): Promise<void> {
    const turn = this.#last.then(() => this.#write(index, data, end));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #write(index: number, data: Uint8Array, end: boolean): Promise<void> {
    if (index <= this.#written) return;
    const command = await this.#command();
    if (command === undefined || command.exit !== undefined)
      throw new LydianError("failed_precondition", "The sandbox runs no command that could read this.");
    if (index !== this.last.index) {
      this.last = { index, offset: command.stdin.written };
      await this.#keep();
    }
    await command.stdin.write(this.last.offset, data, end);
    this.#written = index;
  }
}

function offsetOf(entryId: string): number {
  if (entryId === "") return 0;
  const [, offset] = /^(\d{1,15})-0$/.exec(entryId) ?? [];
  if (offset !== undefined) return Number(offset);
  throw new LydianError("invalid_argument", `last_entry_id ${JSON.stringify(entryId.slice(0, 50))} is not a cursor of this server.`);
}

/** Bytes at the end that are the beginning of a character of UTF-8. */
export function cutBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}
