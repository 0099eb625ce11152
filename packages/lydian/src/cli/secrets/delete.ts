import { LydianError } from "@lydian/protocol";
import type { CommonOptions } from "../commands/options.ts";
import { withServer } from "../connect.ts";

export async function deleteSecret(name: string, options: CommonOptions & { readonly allowMissing?: boolean }): Promise<void> {
  const deleted = await withServer(options, async (client, { environment }) => {
    try {
      const { secretId } = await client.modal.secretGetOrCreate({ deploymentName: name, environmentName: environment });
      await client.modal.secretDelete({ secretId });
      return true;
    } catch (error) {
      if (options.allowMissing && LydianError.is(error) && error.code === "not_found") return false;
      throw error;
    }
  });
  process.stdout.write(deleted ? `${name} is deleted\n` : `there is no ${name}\n`);
}
