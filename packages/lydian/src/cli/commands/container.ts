import { Command } from "commander";
import { formatTable, formatTime } from "../display/style.ts";
import type { ExecFlags } from "../sandboxes/exec.ts";
import { type CommonOptions, environmentOption, execOptions, jsonOption, printJson } from "./options.ts";

export function containerCommand(): Command {
  const container = new Command("container").description("containers that run now").enablePositionalOptions();
  container
    .command("list")
    .description("all containers, or those of an app")
    .addOption(environmentOption())
    .option("--app-id <id>", "only those of this app")
    .addOption(jsonOption())
    .action(async (flags: CommonOptions & { appId?: string }) => {
      const { withServer } = await import("../connect.ts");
      const { tasks } = await withServer(flags, (client, { environment }) =>
        client.modal.taskList({ environmentName: environment, appId: flags.appId ?? "" }),
      );
      if (flags.json) {
        return printJson(
          tasks.map((it) => ({
            container_id: it.taskId,
            app_id: it.appId,
            app: it.appDescription,
            started_at: it.startedAt || null,
            enqueued_at: it.enqueuedAt,
            isolation: it.lydianIsolation || null,
          })),
        );
      }
      const rows = tasks.map((it) => [
        it.taskId,
        it.appId,
        it.appDescription,
        it.startedAt ? formatTime(it.startedAt) : "starting",
        it.lydianIsolation || "-",
      ]);
      process.stdout.write(formatTable(["CONTAINER", "APP", "NAME", "STARTED", "ISOLATION"], rows));
    });
  container
    .command("stop")
    .description("stop a container; its inputs are tried again in another one")
    .argument("<container-id>")
    .option("--graceful", "let its inputs finish first")
    .action(async (taskId: string, flags: { graceful?: boolean }) => {
      const { withServer } = await import("../connect.ts");
      await withServer({}, (client) => client.modal.containerStop({ taskId, graceful: flags.graceful === true }));
      process.stdout.write(`${taskId} is stopping\n`);
    });
  const exec = container
    .command("exec")
    .description("run a command in one; ends with its exit code")
    .argument("<container-id>")
    .argument("<command...>", "the program and its arguments");
  for (const option of execOptions()) exec.addOption(option);
  exec
    .passThroughOptions()
    .action(async (id: string, command: string[], flags: ExecFlags) => (await import("../sandboxes/exec.ts")).execIn(id, command, flags));
  return container;
}
