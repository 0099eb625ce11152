// Docker (and some firewalls) set the machine's FORWARD chain to drop what they do not know. A rule of ours in another table
// cannot overrule that, so there, and only there, two rules go to the head of that chain. Traffic they accept has passed our own
// firewall first.

import type { Launcher } from "../launcher/launcher.ts";

function rules(links: string): readonly (readonly string[])[] {
  return [
    ["FORWARD", "-i", `${links}+`, "-j", "ACCEPT"],
    ["FORWARD", "-o", `${links}+`, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"],
  ];
}

/** No error where there is no iptables: then nothing drops by default. */
export async function openForwarding(launcher: Launcher, links: string): Promise<void> {
  const policy = await launcher.run(["iptables", "-w", "-S", "FORWARD"]).catch(() => "");
  if (!policy.includes("-P FORWARD DROP")) return;
  for (const rule of rules(links)) {
    const present = await launcher.run(["iptables", "-w", "-C", ...rule]).then(
      () => true,
      () => false,
    );
    if (!present) await launcher.run(["iptables", "-w", "-I", ...rule]);
  }
}

export async function closeForwarding(launcher: Launcher, links: string): Promise<void> {
  for (const rule of rules(links)) await launcher.run(["iptables", "-w", "-D", ...rule]).catch(() => {});
}
