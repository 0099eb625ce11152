import type { SandboxInfo } from "@lydian/protocol";
import type { Client } from "../../client.ts";
import { tagsToWire } from "../../sandbox/sandbox-handle.ts";
import { findAppId } from "../apps/find.ts";
import { type CommonOptions, printJson } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { formatTable, formatTime } from "../display/style.ts";
import { pairs } from "./pairs.ts";

export interface ListOptions extends CommonOptions {
  readonly app?: string;
  readonly tag?: readonly string[];
}

/** Those that run, newest first. */
export async function listSandboxes(options: ListOptions): Promise<void> {
  const tags = pairs(options.tag, "--tag");
  const sandboxes = await withServer(options, async (client, { environment }) => {
    const appId = options.app === undefined ? "" : await findAppId(client, environment, options.app);
    return allPages(client, { appId, environmentName: appId === "" ? environment : "", tags: tagsToWire(tags) });
  });
  if (options.json) {
    return printJson(
      sandboxes.map((it) => ({
        sandbox_id: it.id,
        name: it.name || null,
        app_id: it.appId,
        container_id: it.taskInfo?.id || null,
        image_id: it.imageId,
        created_at: it.createdAt,
        timeout_seconds: it.timeoutSecs,
        isolation: it.lydianIsolation || null,
        tags: Object.fromEntries(it.tags.map(({ tagName, tagValue }) => [tagName, tagValue])),
      })),
    );
  }
  const rows = sandboxes.map((it) => [
    it.id,
    it.name || "-",
    it.appId,
    formatTime(it.createdAt),
    it.lydianIsolation || "-",
    it.tags.map(({ tagName, tagValue }) => `${tagName}=${tagValue}`).join(" ") || "-",
  ]);
  process.stdout.write(formatTable(["SANDBOX", "NAME", "APP", "CREATED", "ISOLATION", "TAGS"], rows));
}

async function allPages(client: Client, request: Parameters<Client["modal"]["sandboxListV2"]>[0]): Promise<SandboxInfo[]> {
  const all: SandboxInfo[] = [];
  for (let beforeTimestamp = 0; ; ) {
    const { sandboxes } = await client.modal.sandboxListV2({ ...request, beforeTimestamp });
    all.push(...sandboxes);
    const last = sandboxes.at(-1);
    if (!last) return all;
    beforeTimestamp = last.createdAt;
  }
}
