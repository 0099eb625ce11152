import { Command } from "commander";
import { EXIT, ExitError } from "../exit.ts";
import { jsonOption } from "./options.ts";

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("check this machine: what it can do, what is missing or vulnerable, and what to do about it")
    .addOption(jsonOption())
    .action(async (flags: { json?: boolean }) => {
      const { runDoctor } = await import("../doctor/run-doctor.ts");
      const healthy = await runDoctor(flags.json === true);
      throw new ExitError(healthy ? EXIT.ok : EXIT.failed);
    });
}
