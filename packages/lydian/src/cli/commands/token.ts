import { Command } from "commander";
import { formatTable, formatTime } from "../display/style.ts";
import { jsonOption, printJson } from "./options.ts";

interface JsonFlag {
  readonly json?: boolean;
}

export function tokenCommand(): Command {
  const token = new Command("token").description("tokens of the server");
  token
    .command("list")
    .description("ids, names and times; secrets are not stored")
    .addOption(jsonOption())
    .action(async (flags: JsonFlag) => {
      const { withServer } = await import("../connect.ts");
      const tokens = await withServer({}, async (client) => (await client.lydian.tokenList({})).tokens);
      if (flags.json) {
        const rows = tokens.map((it) => ({
          token_id: it.tokenId,
          name: it.name,
          created_at: it.createdAt,
          last_used_at: it.lastUsedAt || null,
          current: it.current,
        }));
        return printJson(rows);
      }
      const rows = tokens.map((it) => [
        it.tokenId,
        it.name || "-",
        formatTime(it.createdAt),
        formatTime(it.lastUsedAt),
        it.current ? "this one" : "",
      ]);
      process.stdout.write(formatTable(["TOKEN", "NAME", "CREATED", "LAST USED", ""], rows));
    });
  token
    .command("create")
    .description("make a token; its secret is shown once")
    .argument("[name]", "what it is for", "")
    .addOption(jsonOption())
    .action(async (name: string, flags: JsonFlag) => {
      const { withServer } = await import("../connect.ts");
      const made = await withServer({}, (client) => client.lydian.tokenCreate({ name }));
      if (flags.json) return printJson({ token_id: made.tokenId, token_secret: made.tokenSecret });
      process.stdout.write(`token_id     ${made.tokenId}\ntoken_secret ${made.tokenSecret}\n`);
      process.stderr.write("The secret is shown this once: the server keeps only its hash.\n");
    });
  token
    .command("revoke")
    .description("end a token at once")
    .argument("<token-id>")
    .action(async (tokenId: string) => {
      const { withServer } = await import("../connect.ts");
      await withServer({}, (client) => client.lydian.tokenRevoke({ tokenId }));
      process.stdout.write(`${tokenId} is revoked\n`);
    });
  return token;
}
