// Elastic Container Registry takes passwords that last for hours. AWS gives them for a signed request.
import { LydianError } from "@lydian/protocol";
import { AwsClient } from "aws4fetch";
import { z } from "zod";

export interface AwsKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of a key that lasts only for a while. */
  readonly sessionToken?: string;
  /** Of the registry, e.g. "us-east-1". */
  readonly region: string;
}

const TARGET = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 2 ** 20;
/** It becomes part of a host's name. */
const REGION = /^[a-z]{2,3}(-[a-z]+){1,3}-\d{1,2}$/;

const granted = z.object({ authorizationData: z.array(z.object({ authorizationToken: z.string() })).min(1) });
const refused = z.object({ __type: z.string().optional(), message: z.string().optional(), Message: z.string().optional() });

/** Asks AWS for a password when it is called for the first time. Throws `invalid_argument` for a region that is none. */
export function ecrPassword(key: AwsKey, env: NodeJS.ProcessEnv = process.env): (signal: AbortSignal | undefined) => Promise<string> {
  if (!REGION.test(key.region)) {
    throw new LydianError("invalid_argument", "AWS_REGION of the registry's secret is no region.", { hint: 'One is e.g. "us-east-1".' });
  }
  const domain = key.region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  // The variable that AWS's own programs read.
  const endpoint = env.AWS_ENDPOINT_URL_ECR || `https://api.ecr.${key.region}.${domain}/`;
  let asked: Promise<string> | undefined;
  return (signal) => {
    asked ??= fetchPassword(key, endpoint, signal);
    asked.catch(() => {
      asked = undefined;
    });
    return asked;
  };
}

async function fetchPassword(key: AwsKey, endpoint: string, signal: AbortSignal | undefined): Promise<string> {
  const { host } = new URL(endpoint);
  const request = await new AwsClient({ ...key, service: "ecr" }).sign(endpoint, {
    method: "POST",
    headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": TARGET },
    body: "{}",
  });
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  let status: number;
  let text: string;
  try {
    const response = await fetch(request, { signal: signal === undefined ? limit : AbortSignal.any([signal, limit]), redirect: "error" });
    status = response.status;
    text = await boundedText(response);
  } catch (error) {
    if (signal?.aborted) throw error;
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new LydianError("unavailable", `AWS could not be asked for a login at ${host}: ${reason}.`, { cause: error });
  }
  const answer = parseJson(text);
  if (status !== 200) {
    const { __type: type = `status ${status}`, message, Message } = refused.safeParse(answer).data ?? {};
    const said = message ?? Message;
    throw new LydianError(
      "failed_precondition",
      `AWS gives no login for the access key of the registry's secret (${type.replace(/^.*#/, "")}${said === undefined ? "" : `: ${said}`}). Its user needs the permission ecr:GetAuthorizationToken.`,
    );
  }
  const { authorizationToken = "" } = granted.safeParse(answer).data?.authorizationData[0] ?? {};
  // "AWS:" and the password.
  const [, password] = /^AWS:([\s\S]+)$/.exec(Buffer.from(authorizationToken, "base64").toString("utf8")) ?? [];
  if (password === undefined) throw new LydianError("unavailable", `${host} sent no login that can be read.`);
  return password;
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error(`the answer has more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
