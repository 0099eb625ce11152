import { Command } from "commander";
import { type CommonOptions, environmentOption, jsonOption } from "./options.ts";

export function appCommand(): Command {
  const app = new Command("app").description("apps of the server");
  app
    .command("list")
    .description("running, deployed and recently stopped apps")
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (flags: CommonOptions) => (await import("../apps/list.ts")).listApps(flags));
  app
    .command("logs")
    .description("what an app's containers have printed")
    .argument("<app>", "id or name")
    .addOption(environmentOption())
    .option("-f, --follow", "go on until the app ends")
    .option("--timestamps", "begin each line with its time")
    .addOption(jsonOption())
    .action(async (name: string, flags: CommonOptions & { follow?: boolean; timestamps?: boolean }) =>
      (await import("../apps/logs.ts")).printLogs(name, flags),
    );
  app
    .command("history")
    .description("versions of a deployed app")
    .argument("<app>", "id or name")
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (name: string, flags: CommonOptions) => (await import("../apps/history.ts")).printHistory(name, flags));
  app
    .command("rollback")
    .description("deploy an earlier version again, as a new one")
    .argument("<app>", "id or name")
    .argument("[version]", "e.g. v3 (default: the one before the current)")
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (name: string, version: string | undefined, flags: CommonOptions) =>
      (await import("../apps/rollback.ts")).rollBack(name, version, flags),
    );
  app
    .command("stop")
    .description("stop an app and its containers, for good")
    .argument("<app>", "id or name")
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (name: string, flags: CommonOptions) => (await import("../apps/stop.ts")).stopApp(name, flags));
  return app;
}
