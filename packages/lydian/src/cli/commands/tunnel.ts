import { Command } from "commander";
import { withServer } from "../connect.ts";
import { EXIT, ExitError } from "../exit.ts";

export function tunnelCommand(): Command {
  const tunnel = new Command("tunnel").description("ports of containers, reached from outside");
  tunnel
    .command("ca")
    .description("print the certificate of the authority that vouches for tunnels, for programs to trust")
    .action(async () => {
      const { certificate } = await withServer({}, (client) => client.lydian.tunnelAuthority({}));
      if (certificate !== "") return void process.stdout.write(certificate);
      process.stderr.write(
        "lydian: tunnels of this server have a certificate of its configuration: there is nothing of its own to trust.\n",
      );
      throw new ExitError(EXIT.failed);
    });
  return tunnel;
}
