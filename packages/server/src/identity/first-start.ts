// A server that has just been installed: a workspace, an environment, and a token for the owner of the machine.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Database } from "../database/database.ts";
import { newId } from "../ids.ts";
import type { Environments } from "./environments.ts";
import type { NewToken, Tokens } from "./tokens.ts";

export interface Workspace {
  readonly id: string;
  readonly name: string;
}

/** The only workspace there is for now; made at the first start. */
export async function ensureWorkspace(database: Database, environments: Environments): Promise<Workspace> {
  let workspace = database.prepare("SELECT id, name FROM workspaces LIMIT 1").get<Workspace>();
  if (!workspace) {
    const made: Workspace = { id: newId("ac"), name: "default" };
    await database.commit(() =>
      database.prepare("INSERT INTO workspaces (id, name, created_at) VALUES (?, ?, ?)").run(made.id, made.name, Date.now()),
    );
    workspace = made;
  }
  if (environments.list(workspace.id).length === 0) await environments.create(workspace.id, "main", { isDefault: true });
  return workspace;
}

/** The file that holds the token of this machine's owner, mode 0600. Made anew when it is missing or no longer valid. */
export async function ensureLocalToken(dataDir: string, workspace: Workspace, tokens: Tokens): Promise<string> {
  const file = join(dataDir, "local-token.json");
  const known = readToken(file);
  if (known && tokens.verify(known.tokenId, known.tokenSecret)) return file;
  const token = await tokens.create(workspace.id, "local");
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(token)}\n`, { mode: 0o600 });
  renameSync(draft, file);
  return file;
}

function readToken(file: string): NewToken | undefined {
  try {
    const { tokenId, tokenSecret } = JSON.parse(readFileSync(file, "utf8")) as NewToken;
    return typeof tokenId === "string" && typeof tokenSecret === "string" ? { tokenId, tokenSecret } : undefined;
  } catch {
    return undefined;
  }
}
