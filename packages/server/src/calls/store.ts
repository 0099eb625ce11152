import { type FunctionGetOutputsItem, FunctionGetOutputsItemSchema, type FunctionInput, FunctionInputSchema, DataChunkSchema, type DataChunk, fromBinary, toBinary } from "@lydian/protocol";
import type { Database } from "../database/database.ts";
import { newId } from "../ids.ts";
import type { CallIdentity, LiveInput } from "./live-call.ts";

interface CallRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly app_id: string;
  readonly function_id: string;
  readonly type: number;
  readonly invocation: number;
  readonly parent_input_id: string;
  readonly idempotency_key: string;
  readonly created_at: number;
  readonly cancelled: number;
}

export interface StoredCall {
  readonly identity: CallIdentity;
  readonly cancelled: boolean;
}

export interface StoredInput {
  readonly idx: number;
  readonly input: FunctionInput;
  readonly failures: number;
  readonly losses: number;
  readonly notBefore: number;
}

const CALL_COLUMNS = "id, workspace_id, app_id, function_id, type, invocation, parent_input_id, idempotency_key, created_at, cancelled";
const DELETE_BATCH = 200;
/** "fc-" and the eight characters of an id that are its time. */
const TIME_PREFIX = 11;

/** Statements of the journal. Methods that write are to be called inside a commit. */
export class CallStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** `position`: which of the calls of one request it is. */
  insertCall(call: CallIdentity, position: number): void {
    this.#database
      .prepare("INSERT INTO calls (id, workspace_id, app_id, function_id, type, invocation, parent_input_id, idempotency_key, position, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .run(call.id, call.workspaceId, call.appId, call.functionId, call.type, call.invocation, call.parentInputId, call.idempotencyKey, position, call.createdAt);
  }

  insertInput(callId: string, idx: number, input: FunctionInput): void {
    this.#database.prepare("INSERT INTO inputs (call_id, idx, input) VALUES (?, ?, ?)").run(callId, idx, toBinary(FunctionInputSchema, input));
  }

  recordOutput(callId: string, output: FunctionGetOutputsItem, seq: number): void {
    this.#database
      .prepare("UPDATE inputs SET input = NULL, seq = ?, output = ? WHERE call_id = ? AND idx = ?")
      .run(seq, toBinary(FunctionGetOutputsItemSchema, output), callId, output.idx);
  }

  recordCounters(input: LiveInput, counters: { failures: number; losses: number }, notBefore: number): void {
    this.#database
      .prepare("UPDATE inputs SET failures = ?, losses = ?, not_before = ? WHERE call_id = ? AND idx = ?")
      .run(counters.failures, counters.losses, notBefore, input.call.id, input.idx);
  }

  markCancelled(callId: string): void {
    this.#database.prepare("UPDATE calls SET cancelled = 1 WHERE id = ?").run(callId);
  }

  insertChunk(callId: string, chunk: DataChunk): void {
    this.#database
      .prepare("INSERT OR IGNORE INTO generator_data (call_id, chunk_index, chunk) VALUES (?, ?, ?)")
      .run(callId, Number(chunk.index), toBinary(DataChunkSchema, chunk));
  }

  call(id: string): StoredCall | undefined {
    const row = this.#database.prepare(`SELECT ${CALL_COLUMNS} FROM calls WHERE id = ?`).get<CallRow>(id);
    return row && storedCall(row);
  }

  /** Scans what was made since: an index would cost every call, and this is asked only after a restart. */
  recentIds(idempotencyKey: string, workspaceId: string, since: number): string[] {
    return this.#database
      .prepare("SELECT id FROM calls WHERE id >= ? AND idempotency_key = ? AND workspace_id = ? ORDER BY position")
      .all<{ id: string }>(newId("fc", since).slice(0, TIME_PREFIX), idempotencyKey, workspaceId)
      .map(({ id }) => id);
  }

  callsOfApp(appId: string): StoredCall[] {
    return this.#database.prepare(`SELECT ${CALL_COLUMNS} FROM calls WHERE app_id = ?`).all<CallRow>(appId).map(storedCall);
  }

  openInputs(callId: string): StoredInput[] {
    return this.#database
      .prepare("SELECT idx, input, failures, losses, not_before FROM inputs WHERE call_id = ? AND seq IS NULL ORDER BY idx")
      .all<{ idx: number; input: Uint8Array; failures: number; losses: number; not_before: number }>(callId)
      .map((row) => ({
        idx: row.idx,
        input: fromBinary(FunctionInputSchema, row.input),
        failures: row.failures,
        losses: row.losses,
        notBefore: row.not_before,
      }));
  }

  outputs(callId: string): FunctionGetOutputsItem[] {
    return this.#database
      .prepare("SELECT output FROM inputs WHERE call_id = ? AND seq IS NOT NULL ORDER BY seq")
      .all<{ output: Uint8Array }>(callId)
      .map((row) => fromBinary(FunctionGetOutputsItemSchema, row.output));
  }

  chunks(callId: string): DataChunk[] {
    return this.#database
      .prepare("SELECT chunk FROM generator_data WHERE call_id = ? ORDER BY chunk_index")
      .all<{ chunk: Uint8Array }>(callId)
      .map((row) => fromBinary(DataChunkSchema, row.chunk));
  }

  /** Deletes up to some calls made before `before`, with all that belongs to them. Returns whether there may be more. */
  deleteOld(before: number): boolean {
    const ids = this.#database
      .prepare("SELECT id FROM calls WHERE id < ? ORDER BY id LIMIT ?")
      .all<{ id: string }>(newId("fc", before).slice(0, TIME_PREFIX), DELETE_BATCH);
    for (const { id } of ids) {
      this.#database.prepare("DELETE FROM inputs WHERE call_id = ?").run(id);
      this.#database.prepare("DELETE FROM generator_data WHERE call_id = ?").run(id);
      this.#database.prepare("DELETE FROM calls WHERE id = ?").run(id);
    }
    return ids.length === DELETE_BATCH;
  }
}

const storedCall = (row: CallRow): StoredCall => ({
  identity: {
    id: row.id,
    workspaceId: row.workspace_id,
    appId: row.app_id,
    functionId: row.function_id,
    type: row.type,
    invocation: row.invocation,
    parentInputId: row.parent_input_id,
    idempotencyKey: row.idempotency_key,
    createdAt: row.created_at,
  },
  cancelled: row.cancelled === 1,
});
