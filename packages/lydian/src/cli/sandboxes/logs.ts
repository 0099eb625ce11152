import { sandboxFromId } from "../../sandbox/sandbox-handle.ts";
import type { CommonOptions } from "../commands/options.ts";
import { withServer } from "../connect.ts";

/** What the sandbox's command has printed and prints, until it ends. */
export async function printLogs(id: string, options: CommonOptions): Promise<void> {
  await withServer(options, async (client) => {
    const sandbox = await sandboxFromId(id, client);
    const print = async (stream: "stdout" | "stderr") => {
      for await (const text of sandbox[stream]) {
        if (options.json) process.stdout.write(`${JSON.stringify({ stream, text })}\n`);
        else if (!process[stream].write(text)) await new Promise((resolve) => process[stream].once("drain", resolve));
      }
    };
    await Promise.all([print("stdout"), print("stderr")]);
  });
}
