import { Command } from "commander";
import type { CreateOptions } from "../sandboxes/create.ts";
import type { ExecFlags } from "../sandboxes/exec.ts";
import type { ListOptions } from "../sandboxes/list.ts";
import type { SnapshotFlags } from "../sandboxes/snapshot.ts";
import { type CommonOptions, containerOptions, environmentOption, execOptions, jsonOption, repeated } from "./options.ts";

export function sandboxCommand(): Command {
  const sandbox = new Command("sandbox").description("containers that programs create, talk to and end").enablePositionalOptions();
  sandbox
    .command("list")
    .description("those that run, newest first")
    .option("--app <app>", "only those of this app, by id or name")
    .option("--tag <key=value>", "only those with this tag; may be repeated", repeated)
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (flags: ListOptions) => (await import("../sandboxes/list.ts")).listSandboxes(flags));
  const create = sandbox
    .command("create")
    .description("make one and print its id when it runs")
    .argument("[command...]", "what it runs (default: nothing, it waits for exec)")
    .option("--app <name>", "the app it belongs to, made when there is none", "sandboxes")
    .option("--name <name>", "unique among the sandboxes of the app that run")
    .option("--tag <key=value>", "may be repeated", repeated)
    .option("--idle-timeout <duration>", "end it after so long without use")
    .option("--port <port>", "a port that is reachable from outside, with TLS; may be repeated", repeated)
    .option("--h2-port <port>", "the same for a program that speaks HTTP/2; may be repeated", repeated)
    .option("--tcp-port <port>", "the same without TLS too; may be repeated", repeated)
    .option("--network <policy>", 'what it can reach: "open" (the default) or "none"')
    .option("--allow-domain <name>", 'all that it can reach, e.g. "*.pypi.org"; may be repeated', repeated)
    .option("--allow-cidr <range>", "likewise a range of addresses; may be repeated", repeated);
  for (const option of containerOptions()) create.addOption(option);
  create
    .addOption(environmentOption())
    .addOption(jsonOption())
    .passThroughOptions()
    .action(async (command: string[], flags: CreateOptions) => (await import("../sandboxes/create.ts")).createSandbox(command, flags));
  const exec = sandbox
    .command("exec")
    .description("run a command in one; ends with its exit code")
    .argument("<sandbox-id>")
    .argument("<command...>", "the program and its arguments");
  for (const option of execOptions()) exec.addOption(option);
  exec
    .addOption(environmentOption())
    .passThroughOptions()
    .action(async (id: string, command: string[], flags: ExecFlags) => (await import("../sandboxes/exec.ts")).execIn(id, command, flags));
  sandbox
    .command("tunnels")
    .description("where its ports are reached from outside")
    .argument("<sandbox-id>")
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (id: string, flags: CommonOptions) => (await import("../sandboxes/tunnels.ts")).listTunnels(id, flags));
  sandbox
    .command("logs")
    .description("what its command prints, from the start to its end")
    .argument("<sandbox-id>")
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (id: string, flags: CommonOptions) => (await import("../sandboxes/logs.ts")).printLogs(id, flags));
  sandbox
    .command("cp")
    .description("copy a file into one, or out of one")
    .argument("<from>", "a file here, or sb-…:/path")
    .argument("<to>", "sb-…:/path, or a file here")
    .addOption(environmentOption())
    .action(async (from: string, to: string, flags: CommonOptions) => (await import("../sandboxes/copy.ts")).copy(from, to, flags));
  sandbox
    .command("snapshot")
    .description("keep its files as an image, and print the image's id")
    .argument("<sandbox-id>")
    .option("--directory <path>", "only those of this directory, as the root of the image")
    .option("--ttl <duration>", 'how long the image is kept, or "forever" (default: 30d)')
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (id: string, flags: SnapshotFlags) => (await import("../sandboxes/snapshot.ts")).snapshot(id, flags));
  sandbox
    .command("pause")
    .description("freeze them until the next exec, file, input or connection")
    .argument("<sandbox-id...>")
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (ids: string[], flags: CommonOptions) => (await import("../sandboxes/pause.ts")).pause(ids, flags));
  sandbox
    .command("resume")
    .description("let them go on")
    .argument("<sandbox-id...>")
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (ids: string[], flags: CommonOptions) => (await import("../sandboxes/pause.ts")).resume(ids, flags));
  sandbox
    .command("terminate")
    .description("end them")
    .argument("<sandbox-id...>")
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (ids: string[], flags: CommonOptions) => (await import("../sandboxes/terminate.ts")).terminate(ids, flags));
  return sandbox;
}
