// Which policy each container's link has, and the changes of it.

import type { NetworkPolicy } from "../host.ts";
import type { Launcher } from "../launcher/launcher.ts";
import { isAllowList } from "../network-policy.ts";
import { NameService, type NameServiceOptions } from "./names/name-service.ts";
import { askRules } from "./network-rules.ts";
import { policyRules } from "./policy-rules.ts";

/** The policy of a link that was there before this process. */
export interface KnownPolicy {
  readonly link: string;
  readonly address: string;
  readonly policy: NetworkPolicy;
}

interface Entry {
  readonly address: string;
  readonly policy: NetworkPolicy;
}

export interface PoliciesOptions extends NameServiceOptions {
  readonly launcher: Launcher;
  /** The prefix of the containers' links. */
  readonly links: string;
  /** Whose rules are in place. */
  readonly known: readonly KnownPolicy[];
}

export class Policies {
  readonly #options: PoliciesOptions;
  /** By link; without an entry it is "outbound". */
  readonly #entries = new Map<string, Entry>();
  /** Links whose containers may ask for names. The name server runs while there are any. */
  readonly #asking = new Set<string>();
  #names: Promise<NameService> | undefined;
  #closed = false;

  constructor(options: PoliciesOptions) {
    this.#options = options;
    for (const { link, address, policy } of options.known) {
      if (policy !== "outbound") this.#entries.set(link, { address, policy });
      if (domainsOf(policy).length > 0) this.#asking.add(link);
    }
  }

  /** For one link one at a time. When it rejects, the earlier policy holds, or, if only its names failed, less than the new one. */
  async set(link: string, address: string, policy: NetworkPolicy): Promise<void> {
    if (domainsOf(policy).length > 0) this.#asking.add(link);
    try {
      await this.#set(link, address, policy);
    } finally {
      const now = this.#entries.get(link)?.policy ?? "outbound";
      if (domainsOf(now).length === 0) this.#asking.delete(link);
      if (this.#asking.size === 0) this.#closeNames();
    }
  }

  async #set(link: string, address: string, policy: NetworkPolicy): Promise<void> {
    const { launcher, table } = this.#options;
    const before = this.#entries.get(link)?.policy ?? "outbound";
    const rules = policyRules(table, link, before, policy);
    const asked = domainsOf(before).length > 0;
    // Names first where there will be fewer, last where there will be more: nobody is answered what is not open.
    if (asked && domainsOf(policy).length === 0) await (await this.#names)?.set({ address, link, domains: [] });
    const names = domainsOf(policy).length > 0 ? await this.#nameService() : undefined;
    if (rules !== "") await launcher.run(["nft", "-f", "-"], { input: rules });
    if (policy === "outbound") this.#entries.delete(link);
    else this.#entries.set(link, { address, policy });
    await names?.set({ address, link, domains: domainsOf(policy) });
  }

  close(): void {
    this.#closed = true;
    this.#closeNames();
  }

  #closeNames(): void {
    void this.#names?.then((service) => service.close()).catch(() => {});
    this.#names = undefined;
  }

  #nameService(): Promise<NameService> {
    if (this.#names === undefined) {
      const starting = this.#startNames();
      this.#names = starting;
      starting.catch(() => {
        if (this.#names === starting) this.#names = undefined;
      });
    }
    return this.#names;
  }

  async #startNames(): Promise<NameService> {
    const { launcher, table, links } = this.#options;
    const service = await NameService.start(this.#options);
    await launcher.run(["nft", "-f", "-"], { input: askRules(table, links, service.port) });
    void service.ended.then(() => this.#restartNames(service));
    return service;
  }

  /** The process died (perhaps with its launcher). Containers that still need it get another; one that cannot start is tried again at the next change. */
  async #restartNames(ended: NameService): Promise<void> {
    if ((await this.#names?.catch(() => undefined)) !== ended) return;
    this.#names = undefined;
    await this.answerKnown();
  }

  /** Resolves when the names are answered that are known to be allowed. A name server that cannot be started is tried again at the next change. */
  async answerKnown(): Promise<void> {
    const asking = [...this.#entries].filter(([, entry]) => domainsOf(entry.policy).length > 0);
    if (this.#closed || asking.length === 0) return;
    await this.#nameService()
      .then((service) =>
        Promise.all(asking.map(([link, { address, policy }]) => service.set({ address, link, domains: domainsOf(policy) }))),
      )
      .catch(() => {});
  }
}

function domainsOf(policy: NetworkPolicy): readonly string[] {
  return isAllowList(policy) ? policy.domains : [];
}
