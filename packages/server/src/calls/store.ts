// The statements of the journal. The hot ones write many rows each: a statement costs more than a row.
import {
  create,
  type FunctionInput,
  FunctionInputSchema,
  fromBinary,
  GenericResultSchema,
  GenericResult_GenericStatus as Status,
  toBinary,
} from "@lydian/protocol";
import type { Database, SqlValue } from "../database/database.ts";
import type { Call, Input, Output, ResultInit } from "./call.ts";

export interface CallRow {
  readonly seq: number;
  readonly id: string;
  readonly function_id: string;
  readonly kind: number;
  readonly invocation: number;
  readonly parent_input_id: string | null;
  readonly created_at: number;
  readonly closed: number;
  readonly cancel_reason: string | null;
  readonly finished_at: number | null;
}

/** Without the arguments. */
export interface InputRow {
  readonly seq: number;
  readonly idx: number;
  readonly bytes: number;
  readonly failures: number;
  readonly losses: number;
  readonly not_before: number;
}

/** Without the result. */
export interface OutputRow {
  readonly seq: number;
  readonly idx: number;
  readonly status: number;
  readonly format: number;
  readonly task_id: string;
  readonly started_at: number;
  readonly created_at: number;
  readonly bytes: number;
}

interface ArgsRow {
  readonly args: Uint8Array | null;
  readonly args_blob_id: string | null;
  readonly format: number;
  readonly method: string | null;
  readonly final: number;
}

interface ResultRow {
  readonly status: number;
  readonly data: Uint8Array | null;
  readonly data_blob_id: string | null;
  readonly result: Uint8Array | null;
}

export interface ChunkRow {
  readonly idx: number;
  readonly format: number;
  readonly data: Uint8Array | null;
  readonly data_blob_id: string | null;
}

const CALL_COLUMNS = "seq, id, function_id, kind, invocation, parent_input_id, created_at, closed, cancel_reason, finished_at";
const ROWS_A_STATEMENT = 32;
export const KIND_NUMBERS = { unary: 1, map: 2 } as const;

/** An INSERT that takes up to 32 rows at a time, from one flat list of values. */
class RowWriter {
  readonly #database: Database;
  readonly #head: string;
  readonly #row: string;
  readonly #width: number;

  constructor(database: Database, table: string, columns: readonly string[]) {
    this.#database = database;
    this.#head = `INSERT INTO ${table} (${columns.join(", ")}) VALUES `;
    this.#row = `(${columns.map(() => "?").join(", ")})`;
    this.#width = columns.length;
  }

  write(values: readonly SqlValue[]): void {
    const step = ROWS_A_STATEMENT * this.#width;
    let at = 0;
    for (; at + step <= values.length; at += step) this.#statement(ROWS_A_STATEMENT).run(...values.slice(at, at + step));
    const rest = (values.length - at) / this.#width;
    if (rest > 0) this.#statement(rest).run(...(at === 0 ? values : values.slice(at)));
  }

  #statement(rows: number) {
    return this.#database.prepare(this.#head + new Array(rows).fill(this.#row).join(", "));
  }
}

const CALL_INSERT = ["seq", "id", "function_id", "kind", "invocation", "parent_input_id", "request_key", "created_at", "closed"];
const INPUT_INSERT = ["seq", "call", "idx", "args", "args_blob_id", "format", "method", "final"];
const OUTPUT_INSERT = ["seq", "call", "idx", "status", "data", "data_blob_id", "format", "result", "task_id", "started_at", "created_at"];

export class CallStore {
  readonly #database: Database;
  readonly #calls: RowWriter;
  readonly #inputs: RowWriter;
  readonly #outputs: RowWriter;
  readonly #chunks: RowWriter;

  constructor(database: Database) {
    this.#database = database;
    this.#calls = new RowWriter(database, "calls", CALL_INSERT);
    this.#inputs = new RowWriter(database, "inputs", INPUT_INSERT);
    this.#outputs = new RowWriter(database, "outputs", OUTPUT_INSERT);
    this.#chunks = new RowWriter(database, "generator_chunks", ["call", "idx", "format", "data", "data_blob_id"]);
  }

  /** The largest row numbers so far. */
  lastSeqs(): { calls: number; inputs: number; outputs: number } {
    const last = (table: string) => this.#database.prepare(`SELECT MAX(seq) AS seq FROM ${table}`).get<{ seq: number | null }>()?.seq ?? 0;
    return { calls: last("calls"), inputs: last("inputs"), outputs: last("outputs") };
  }

  // Writes. To be run inside a commit.

  insertCalls(calls: readonly { readonly call: Call; readonly requestKey: string | null }[]): void {
    const values: SqlValue[] = [];
    for (const { call, requestKey } of calls) {
      const kind = KIND_NUMBERS[call.kind];
      const parent = call.parentInputId === "" ? null : call.parentInputId;
      values.push(call.seq, call.id, call.functionId, kind, call.invocation, parent, requestKey, call.createdAt, call.closed ? 1 : 0);
    }
    this.#calls.write(values);
  }

  insertInputs(inputs: readonly { readonly input: Input; readonly payload: FunctionInput }[]): void {
    const values: SqlValue[] = [];
    for (const { input, payload } of inputs) {
      const { argsOneof } = payload;
      const args = argsOneof.case === "args" ? argsOneof.value : null;
      const blob = argsOneof.case === "argsBlobId" ? argsOneof.value : null;
      const final = payload.finalInput ? 1 : 0;
      values.push(input.seq, input.call.seq, input.idx, args, blob, payload.dataFormat, payload.methodName ?? null, final);
    }
    this.#inputs.write(values);
  }

  insertOutputs(outputs: readonly { readonly call: Call; readonly output: Output; readonly result: ResultInit }[]): void {
    const values: SqlValue[] = [];
    for (const { call, output, result } of outputs) {
      const { dataOneof } = result;
      const data = dataOneof?.case === "data" ? dataOneof.value : null;
      const blob = dataOneof?.case === "dataBlobId" ? dataOneof.value : null;
      const whole =
        output.status === Status.SUCCESS ? null : toBinary(GenericResultSchema, create(GenericResultSchema, withoutData(result)));
      const { seq, idx, status, format, taskId, startedAt, createdAt } = output;
      values.push(seq, call.seq, idx, status, data, blob, format, whole, taskId, startedAt, createdAt);
    }
    this.#outputs.write(values);
  }

  insertChunks(call: Call, chunks: readonly ChunkRow[]): void {
    this.#chunks.write(chunks.flatMap((chunk) => [call.seq, chunk.idx, chunk.format, chunk.data, chunk.data_blob_id]));
  }

  finishCall(call: Call, at: number): void {
    this.#database.prepare("UPDATE calls SET finished_at = ?, closed = ? WHERE seq = ?").run(at, call.closed ? 1 : 0, call.seq);
  }

  closeCall(call: Call): void {
    this.#database.prepare("UPDATE calls SET closed = 1, cancel_reason = ? WHERE seq = ?").run(call.cancelReason ?? null, call.seq);
  }

  updateAttempts(input: Input): void {
    const sql = "UPDATE inputs SET failures = ?, losses = ?, not_before = ? WHERE seq = ?";
    this.#database.prepare(sql).run(input.failures, input.losses, input.notBefore, input.seq);
  }

  // Reads.

  call(id: string): CallRow | undefined {
    return this.#database.prepare(`SELECT ${CALL_COLUMNS} FROM calls WHERE id = ?`).get<CallRow>(id);
  }

  /** The calls of an earlier request with this key, first to last. */
  callsOfRequest(requestKey: string, count: number): CallRow[] {
    const sql = `SELECT ${CALL_COLUMNS} FROM calls WHERE seq >= (SELECT MIN(seq) FROM calls WHERE request_key = ?) ORDER BY seq LIMIT ?`;
    return this.#database.prepare(sql).all<CallRow>(requestKey, count);
  }

  openCalls(): CallRow[] {
    return this.#database.prepare(`SELECT ${CALL_COLUMNS} FROM calls WHERE finished_at IS NULL ORDER BY seq`).all<CallRow>();
  }

  inputs(callSeq: number): InputRow[] {
    const sql = "SELECT seq, idx, COALESCE(LENGTH(args), 0) AS bytes, failures, losses, not_before FROM inputs WHERE call = ? ORDER BY seq";
    return this.#database.prepare(sql).all<InputRow>(callSeq);
  }

  outputs(callSeq: number): OutputRow[] {
    const sql = `SELECT seq, idx, status, format, task_id, started_at, created_at,
      COALESCE(LENGTH(data), 0) + COALESCE(LENGTH(result), 0) AS bytes FROM outputs WHERE call = ? ORDER BY seq`;
    return this.#database.prepare(sql).all<OutputRow>(callSeq);
  }

  payload(inputSeq: number): FunctionInput | undefined {
    const sql = "SELECT args, args_blob_id, format, method, final FROM inputs WHERE seq = ?";
    const row = this.#database.prepare(sql).get<ArgsRow>(inputSeq);
    if (row === undefined) return undefined;
    const argsOneof =
      row.args_blob_id !== null
        ? { case: "argsBlobId" as const, value: row.args_blob_id }
        : { case: "args" as const, value: row.args ?? new Uint8Array() };
    const method = row.method === null ? {} : { methodName: row.method };
    return create(FunctionInputSchema, { argsOneof, dataFormat: row.format, finalInput: row.final === 1, ...method });
  }

  result(outputSeq: number): ResultInit | undefined {
    const row = this.#database.prepare("SELECT status, data, data_blob_id, result FROM outputs WHERE seq = ?").get<ResultRow>(outputSeq);
    if (row === undefined) return undefined;
    const base: ResultInit = row.result === null ? { status: row.status } : withoutData(fromBinary(GenericResultSchema, row.result));
    if (row.data_blob_id !== null) return { ...base, dataOneof: { case: "dataBlobId", value: row.data_blob_id } };
    return row.data === null ? base : { ...base, dataOneof: { case: "data", value: row.data } };
  }

  chunks(callSeq: number, after: number, limit: number): ChunkRow[] {
    const sql = "SELECT idx, format, data, data_blob_id FROM generator_chunks WHERE call = ? AND idx > ? ORDER BY idx LIMIT ?";
    return this.#database.prepare(sql).all<ChunkRow>(callSeq, after, limit);
  }

  lastChunk(callSeq: number): number {
    const sql = "SELECT MAX(idx) AS idx FROM generator_chunks WHERE call = ?";
    return this.#database.prepare(sql).get<{ idx: number | null }>(callSeq)?.idx ?? 0;
  }

  /** Deletes up to `limit` calls that finished before `before`, with all that is theirs. Returns their ids. */
  deleteFinished(before: number, limit: number): string[] {
    const rows = this.#database
      .prepare("SELECT seq, id FROM calls WHERE finished_at < ? ORDER BY finished_at LIMIT ?")
      .all<{ seq: number; id: string }>(before, limit);
    for (const { seq } of rows) {
      for (const table of ["inputs", "outputs", "generator_chunks"]) this.#database.prepare(`DELETE FROM ${table} WHERE call = ?`).run(seq);
      this.#database.prepare("DELETE FROM calls WHERE seq = ?").run(seq);
    }
    return rows.map(({ id }) => id);
  }
}

/** The field by field copy also leaves out what makes it a message, so that a new one is made of it. */
function withoutData(result: ResultInit): ResultInit {
  const { status, exception, exitcode, traceback, serializedTb, tbLineCache, propagationReason } = result;
  return {
    ...(status !== undefined && { status }),
    ...(exception !== undefined && { exception }),
    ...(exitcode !== undefined && { exitcode }),
    ...(traceback !== undefined && { traceback }),
    ...(serializedTb !== undefined && { serializedTb }),
    ...(tbLineCache !== undefined && { tbLineCache }),
    ...(propagationReason !== undefined && { propagationReason }),
  };
}
