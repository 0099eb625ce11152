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
  /** 1: the call's only input and its output are in this row, under index 0. */
  readonly alone: number;
}

/** Without the arguments. */
export interface InputRow {
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
  readonly ended_at: number;
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

const CALL_COLUMNS =
  "seq, id, function_id, kind, invocation, parent_input_id, created_at, closed, cancel_reason, finished_at, format IS NOT NULL AS alone";
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
const PAYLOAD_INSERT = ["format", "args", "args_blob_id", "method", "final"];
const OUTPUT_INSERT = ["call", "idx", "seq", "status", "data", "data_blob_id", "format", "result", "task_id", "started_at", "ended_at"];

/** A call on its way into the journal. */
export interface NewCallRow {
  readonly call: Call;
  readonly requestKey: string | null;
  /** Its one input, for the row of a call that is alone. */
  readonly payload: FunctionInput | undefined;
}

export class CallStore {
  readonly #database: Database;
  readonly #calls: RowWriter;
  readonly #inputs: RowWriter;
  readonly #outputs: RowWriter;
  readonly #chunks: RowWriter;

  constructor(database: Database) {
    this.#database = database;
    this.#calls = new RowWriter(database, "calls", [...CALL_INSERT, ...PAYLOAD_INSERT]);
    this.#inputs = new RowWriter(database, "inputs", ["call", "idx", ...PAYLOAD_INSERT]);
    this.#outputs = new RowWriter(database, "outputs", OUTPUT_INSERT);
    this.#chunks = new RowWriter(database, "generator_chunks", ["call", "idx", "format", "data", "data_blob_id"]);
  }

  /** The largest number of a call so far. */
  lastCallSeq(): number {
    return this.#database.prepare("SELECT MAX(seq) AS seq FROM calls").get<{ seq: number | null }>()?.seq ?? 0;
  }

  // Writes. To be run inside a commit.

  insertCalls(calls: readonly NewCallRow[]): void {
    const values: SqlValue[] = [];
    for (const { call, requestKey, payload } of calls) {
      const kind = KIND_NUMBERS[call.kind];
      const parent = call.parentInputId === "" ? null : call.parentInputId;
      values.push(call.seq, call.id, call.functionId, kind, call.invocation, parent, requestKey, call.createdAt, call.closed ? 1 : 0);
      if (payload === undefined) values.push(null, null, null, null, 0);
      else pushPayload(values, payload);
    }
    this.#calls.write(values);
  }

  insertInputs(inputs: readonly { readonly input: Input; readonly payload: FunctionInput }[]): void {
    const values: SqlValue[] = [];
    for (const { input, payload } of inputs) {
      values.push(input.call.seq, input.idx);
      pushPayload(values, payload);
    }
    this.#inputs.write(values);
  }

  insertOutputs(outputs: readonly { readonly call: Call; readonly output: Output; readonly result: ResultInit }[]): void {
    const values: SqlValue[] = [];
    for (const { call, output, result } of outputs) {
      const { seq, idx, format, taskId, startedAt, createdAt } = output;
      const [status, data, blob, whole] = resultValues(output, result);
      values.push(call.seq, idx, seq, status, data, blob, format, whole, taskId, startedAt, createdAt);
    }
    this.#outputs.write(values);
  }

  /** The output of a call that is alone, which is the end of the call. */
  endAlone(call: Call, output: Output, result: ResultInit, at: number): void {
    const sql = `UPDATE calls SET finished_at = ?, status = ?, data = ?, data_blob_id = ?, result = ?, output_format = ?, task_id = ?,
      started_at = ?, ended_at = ? WHERE seq = ?`;
    const { format, taskId, startedAt, createdAt } = output;
    const [status, data, blob, whole] = resultValues(output, result);
    this.#database.prepare(sql).run(at, status, data, blob, whole, format, taskId, startedAt, createdAt, call.seq);
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

  updateAttempts({ call, idx, failures, losses, notBefore }: Input): void {
    const set = "SET failures = ?, losses = ?, not_before = ?";
    if (call.alone) this.#database.prepare(`UPDATE calls ${set} WHERE seq = ?`).run(failures, losses, notBefore, call.seq);
    else this.#database.prepare(`UPDATE inputs ${set} WHERE call = ? AND idx = ?`).run(failures, losses, notBefore, call.seq, idx);
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

  inputs(call: Call): InputRow[] {
    const sizes = "COALESCE(LENGTH(args), 0) AS bytes, failures, losses, not_before";
    const sql = call.alone
      ? `SELECT 0 AS idx, ${sizes} FROM calls WHERE seq = ?`
      : `SELECT idx, ${sizes} FROM inputs WHERE call = ? ORDER BY idx`;
    return this.#database.prepare(sql).all<InputRow>(call.seq);
  }

  outputs(call: Call): OutputRow[] {
    const columns = "seq, status, task_id, started_at, ended_at, COALESCE(LENGTH(data), 0) + COALESCE(LENGTH(result), 0) AS bytes";
    const sql = call.alone
      ? `SELECT 0 AS idx, output_format AS format, ${columns} FROM calls WHERE seq = ? AND status IS NOT NULL`
      : `SELECT idx, format, ${columns} FROM outputs WHERE call = ? ORDER BY seq`;
    return this.#database.prepare(sql).all<OutputRow>(call.seq);
  }

  payload({ call, idx }: Input): FunctionInput | undefined {
    const columns = "args, args_blob_id, format, method, final";
    const row = call.alone
      ? this.#database.prepare(`SELECT ${columns} FROM calls WHERE seq = ?`).get<ArgsRow>(call.seq)
      : this.#database.prepare(`SELECT ${columns} FROM inputs WHERE call = ? AND idx = ?`).get<ArgsRow>(call.seq, idx);
    if (row === undefined) return undefined;
    const argsOneof =
      row.args_blob_id !== null
        ? { case: "argsBlobId" as const, value: row.args_blob_id }
        : { case: "args" as const, value: row.args ?? new Uint8Array() };
    const method = row.method === null ? {} : { methodName: row.method };
    return create(FunctionInputSchema, { argsOneof, dataFormat: row.format, finalInput: row.final === 1, ...method });
  }

  result(call: Call, idx: number): ResultInit | undefined {
    const columns = "status, data, data_blob_id, result";
    const row = call.alone
      ? this.#database.prepare(`SELECT ${columns} FROM calls WHERE seq = ? AND status IS NOT NULL`).get<ResultRow>(call.seq)
      : this.#database.prepare(`SELECT ${columns} FROM outputs WHERE call = ? AND idx = ?`).get<ResultRow>(call.seq, idx);
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
    // Calls are numbered as they are made: the first that was made later ends the search.
    const firstLater = this.#database
      .prepare("SELECT seq FROM calls WHERE created_at >= ? ORDER BY seq LIMIT 1")
      .get<{ seq: number }>(before);
    const rows = this.#database
      .prepare("SELECT seq, id FROM calls WHERE seq < ? AND finished_at < ? ORDER BY seq LIMIT ?")
      .all<{ seq: number; id: string }>(firstLater?.seq ?? Number.MAX_SAFE_INTEGER, before, limit);
    for (const { seq } of rows) {
      for (const table of ["inputs", "outputs", "generator_chunks"]) this.#database.prepare(`DELETE FROM ${table} WHERE call = ?`).run(seq);
      this.#database.prepare("DELETE FROM calls WHERE seq = ?").run(seq);
    }
    return rows.map(({ id }) => id);
  }
}

function pushPayload(values: SqlValue[], { argsOneof, dataFormat, methodName, finalInput }: FunctionInput): void {
  const args = argsOneof.case === "args" ? argsOneof.value : null;
  const blob = argsOneof.case === "argsBlobId" ? argsOneof.value : null;
  values.push(dataFormat, args, blob, methodName ?? null, finalInput ? 1 : 0);
}

function resultValues({ status }: Output, result: ResultInit): readonly [SqlValue, SqlValue, SqlValue, SqlValue] {
  const { dataOneof } = result;
  const data = dataOneof?.case === "data" ? dataOneof.value : null;
  const blob = dataOneof?.case === "dataBlobId" ? dataOneof.value : null;
  const whole = status === Status.SUCCESS ? null : toBinary(GenericResultSchema, create(GenericResultSchema, withoutData(result)));
  return [status, data, blob, whole];
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
