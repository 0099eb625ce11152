// The seam between pools and what runs inside their containers: our own runtime for TypeScript, the official one for Python. Both ask
// what they are with Runtime.Start, so that either can be started for nobody and given its function later.
import type { Function as FunctionDefinition, MessageInitShape, StartResponseSchema } from "@lydian/protocol";
import type { CalledFunction } from "../../calls/functions-port.ts";
import type { PoolContainer } from "../container.ts";
import type { LaunchPlan } from "../launch.ts";

export type StartAnswer = Exclude<MessageInitShape<typeof StartResponseSchema>, { $typeName: string }>;

/** Containers that are interchangeable as long as they have no function. */
export interface StandbyKind {
  readonly key: string;
  readonly plan: () => Promise<LaunchPlan>;
}

export interface RuntimeKind {
  /** When a container takes inputs: once it says hello, or once it asks for the first. */
  readonly readyAt: "hello" | "fetch";
  /** Why a container of the function cannot exist on this host; undefined when it can. */
  whyImpossible(definition: FunctionDefinition): string | undefined;
  /** Makes ahead what all its containers need. Throws `failed_precondition` when there can be none. */
  prepare(definition: FunctionDefinition): Promise<void>;
  /** For a container that is made for the function. */
  plan(definition: FunctionDefinition): Promise<LaunchPlan>;
  /** Of the containers made for nobody that can become one of the function; undefined when none can. */
  standby(definition: FunctionDefinition): StandbyKind | undefined;
  /** What the container is told once it has its function. */
  answer(container: PoolContainer, fn: CalledFunction): StartAnswer;
}
