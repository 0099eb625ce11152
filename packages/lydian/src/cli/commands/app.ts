import { Command } from "commander";
import { type CommonOptions, environmentOption, jsonOption } from "./options.ts";

export function appCommand(): Command {
  const app = new Command("app").description("apps of the server");
  app
    .command("list")
    .description("running and recently stopped apps")
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
    .command("stop")
    .description("stop an app and its containers, for good")
    .argument("<app>", "id or name")
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (name: string, flags: CommonOptions) => (await import("../apps/stop.ts")).stopApp(name, flags));
  return app;
}
