import { deleteSecret } from "../../secrets/named.ts";
import type { CommonOptions } from "../commands/options.ts";
import { withServer } from "../connect.ts";

export async function remove(name: string, options: CommonOptions & { readonly allowMissing?: boolean }): Promise<void> {
  const { allowMissing } = options;
  const deleted = await withServer(options, (client) => deleteSecret(client, name, { allowMissing }));
  process.stdout.write(deleted ? `${name} is deleted\n` : `there is no ${name}\n`);
}
