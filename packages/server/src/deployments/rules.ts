// What apps, deployments and their tags may be called.
import { LydianError } from "@lydian/protocol";
import { isId } from "../ids.ts";

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const DEPLOYMENT_TAG = /^[A-Za-z0-9._-]{0,50}$/;
const TAG = /^[A-Za-z0-9._-]{1,63}$/;
const MAX_TAGS = 64;

export function checkAppName(name: string): void {
  const shown = JSON.stringify(name.slice(0, 100));
  if (!NAME.test(name)) throw invalid(`${shown} is not a name of an app: 1 to 64 letters, digits, or any of "._-".`);
  if (isId("ap", name)) throw invalid(`${shown} is not a name of an app: it would be taken for an id. Choose another.`);
}

export function checkDeploymentTag(tag: string): void {
  if (DEPLOYMENT_TAG.test(tag)) return;
  throw invalid(`${JSON.stringify(tag.slice(0, 100))} is not a tag of a deployment: at most 50 letters, digits, or any of "._-".`);
}

export function checkTags(tags: Readonly<Record<string, string>>): void {
  const entries = Object.entries(tags);
  if (entries.length > MAX_TAGS) throw invalid(`An app has ${entries.length} tags; it may have ${MAX_TAGS}.`);
  for (const part of entries.flat())
    if (!TAG.test(part))
      throw invalid(`${JSON.stringify(part.slice(0, 100))} is not a key or value of a tag: 1 to 63 letters, digits, or any of "._-".`);
}

const invalid = (message: string) => new LydianError("invalid_argument", message);
