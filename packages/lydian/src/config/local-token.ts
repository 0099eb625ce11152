import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LydianError } from "@lydian/protocol";

/** The token a server leaves for commands of the same user on the same machine: `local-token.json`, mode 0600. */
export function readLocalToken(dataDir: string): { readonly id: string; readonly secret: string } {
  const file = join(dataDir, "local-token.json");
  let parsed: Readonly<Record<string, unknown>>;
  try {
    parsed = JSON.parse(readFileSync(file, "utf8")) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new LydianError("unauthenticated", `the server's local token cannot be read from ${file}: ${(cause as Error).message}`, {
      cause,
      hint: "Only the user who started the server may read it. Others need a token: lydian token create",
    });
  }
  const id = parsed.tokenId ?? parsed.token_id;
  const secret = parsed.tokenSecret ?? parsed.token_secret;
  if (typeof id === "string" && typeof secret === "string") return { id, secret };
  throw new LydianError("data_loss", `${file} holds no token`, { hint: "Remove the file and restart the server." });
}
