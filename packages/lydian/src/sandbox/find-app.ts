import { ObjectCreationType } from "@lydian/protocol";
import type { App } from "../app.ts";
import type { Client } from "../client.ts";
import { InvalidError, rethrow } from "../errors.ts";
import { checkName } from "../registry.ts";
import { findSession } from "../session.ts";
import { showValue } from "../show-value.ts";

/**
 * The id of the app that is meant: where one runs, an App of this program means that one; elsewhere, or by a name, it is looked up.
 * `create`: made when there is none.
 */
export async function findAppId(client: Client, environment: string, app: App | string | undefined, create: boolean): Promise<string> {
  if (app !== undefined && typeof app !== "string" && !(typeof app === "object" && app !== null && "name" in app))
    throw new InvalidError(`\`app\` is ${showValue(app)}; it must be an App or the name of one.`);
  const running = findSession()?.appId;
  if (running !== undefined && typeof app !== "string") return running;
  const name = typeof app === "string" ? app : app?.name;
  if (name === undefined)
    throw new InvalidError("A sandbox belongs to an app, and none runs here.", {
      hint: 'Name one: Sandbox.create({ app: "agents" }); it is made when there is none.',
    });
  checkName(name, "an app");
  const objectCreationType = create ? ObjectCreationType.CREATE_IF_MISSING : ObjectCreationType.UNSPECIFIED;
  const { appId } = await client.modal.appGetOrCreate({ appName: name, environmentName: environment, objectCreationType }).catch(rethrow);
  return appId;
}
